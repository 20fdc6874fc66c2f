package provider

import "github.com/pulumi-buildkit/pulumi-buildkit/registry"

// What to do about the faults of package registry. Facts of the fault stand in place of $words; between single quotes
// they are one word of a shell.

// registryRemedies are about registries: how they are reached, and what they refuse.
var registryRemedies = map[registry.Fault]string{
	registry.Unreachable:          "check that $host is right and running",
	registry.Silent:               "check the network and try again",
	registry.UnknownHost:          "correct the name of $host, or the DNS of the builder",
	registry.BrokenConnection:     "the connection to $host breaks: check the network between it and the builder, and try again",
	registry.BrokenServer:         "the fault is in $host; try again later",
	registry.ProxyRefused:         "correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY, here and at the builder",
	registry.ExpiredCertificate:   "correct this machine's clock, or renew $host's certificate",
	registry.UntrustedCertificate: "add the authority that signed $host's certificate to this machine's, or name its file in registries",
	registry.PlainHTTP:            "$host speaks plain http: serve it over https, or set insecure for it in registries",
	registry.PlainHTTPRefused:     "serve the registry over https",
	registry.UnnamedHost:          "name $host in registries to allow it",
	registry.NotARegistry:         "check that $host is a registry and the proxy lets us reach it",
	registry.CAFile:               "correct it in registries",
	registry.CAFileLink:           "write the path of its target in registries",

	registry.NoCredentials:      "log in with docker login or set registries",
	registry.CredentialsRefused: "log in again with docker login '$host' or correct registries",
	registry.AccessDenied:       "give the user of $host access to $repository, or log in as another",
	registry.ReadDenied:         "give the user of $host access to $repository, or log in as another",
	registry.ActionDenied:       "allow $action in the IAM policy of that user",
	registry.OrganizationPolicy: "a policy of your AWS organization forbids it; ask those who keep the policy",
	registry.KeyDenied:          "let that user use the KMS key of $repository: kms:GenerateDataKey and kms:Decrypt",
	registry.RepositoryMissing:  "create $repository on $host first, a push does not create it",
	registry.TagFixed: "use a tag that changes with its content, such as $host/$repository:{hash}, or let the repository move " +
		"tags",
	registry.TagFixedUnserved: "restore that image or delete the tag, and try again",
	registry.TagInUse:         "delete the tags of that index first",
	registry.TagsNotDeleted:   "delete it with the tools of $host",
	registry.LimitReached:     "delete old tags or images, for example with a lifecycle policy, or have AWS raise the quota",
	registry.QuotaReached: "other credentials do not help: delete old images there and have the registry collect its garbage, or " +
		"have its administrator raise the quota",
	registry.RequestTooLarge: "a proxy before the registry, or the registry, limits how large a request may be: raise that limit " +
		"(nginx: client_max_body_size 0; ingress-nginx: proxy-body-size \"0\"), push to an address behind the proxy, or split " +
		"what the largest layer copies into several steps",
	registry.StorageFull: "the disk of the registry is full, not that of the builder: free space there",
	registry.ReadOnly:    "have its administrator end the read-only mode, or push to the registry that this one mirrors",
	registry.ManifestRefused: "the registry may be too old for images of OCI: write the media types of Docker with " +
		"exports: [{ image: { ociMediaTypes: false } }], which annotations, provenance and sbom cannot be used with",
	registry.RequestNotOffered: "the registry takes no push, as a mirror or one in read-only mode does, or not this kind of " +
		"image: leave annotations, provenance and sbom out, or write the media types of Docker with " +
		"exports: [{ image: { ociMediaTypes: false } }]",
	registry.RateLimited: "wait some minutes and try again, with fewer images at once",
}

// daemonRemedies are those of faults that a builder met, where they are others.
var daemonRemedies = map[registry.Fault]string{
	registry.Unreachable:        "check that $host is right and running, and that the builder reaches it",
	registry.ExpiredCertificate: "correct the builder's clock, or renew $host's certificate",
	registry.UntrustedCertificate: "give the builder the authority that signed $host's certificate: caFile in registries for the " +
		"provider's own, ca in its buildkitd.toml for another",
}

// amazonRemedies are those of Amazon ECR, where they are others.
var amazonRemedies = map[registry.Fault]string{
	registry.CredentialsRefused: "check its account and region, and docker login or registries if they are from there",
	registry.ReadDenied: "allow ecr:BatchCheckLayerAvailability and ecr:BatchGetImage for $repository in the IAM policy of that " +
		"user",
	registry.RepositoryMissing: "create it with aws.ecr.Repository, or correct the account and the region in its name",
	registry.TagFixedUnserved: "restore it with aws ecr update-image-storage-class --repository-name '$repository' --image-id " +
		"'$image' --target-storage-class STANDARD, or delete the tag with aws ecr batch-delete-image --repository-name " +
		"'$repository' --image-ids '$image', and try again",
}

// contentRemedies are about what a registry holds.
var contentRemedies = map[registry.Fault]string{
	registry.ContentOther: "push it again, and look at the registry's storage or the proxy before it",
	registry.ContentLost:  "look at its storage",
	registry.TagLost:      "try again, and look at the registry's storage",
	registry.TagTaken:     "try again",
	registry.ImageOther:   "build and push it again",
	registry.NotAnImage:   "push images only",
	registry.ImageGone:    "push it again",
	registry.ImageArchived: "restore it with aws ecr update-image-storage-class --repository-name '$repository' --image-id " +
		"'$image' --target-storage-class STANDARD, or push it again",
	registry.ImageMaybe:    "only AWS credentials with the right to ecr:DescribeImages in $repository can tell",
	registry.ImageUnserved: "try again",
}

// loginRemedies are about what gives credentials: helpers, files, clouds.
var loginRemedies = map[registry.Fault]string{
	registry.HelperMissing: "install it, or remove it from docker's config.json",
	registry.HelperSilent:  "unlock its key store and try again",
	registry.HelperFailed:  "see what it says with: echo '$address' | $program get",
	registry.HelperEndless: "update it, or remove it from docker's config.json",
	registry.HelperGarbled: "update it",
	registry.DockerConfig:  "correct or remove that file",
	registry.DockerAuth:    "correct or unset it",
	registry.AzureRefused:  "log in with az login",
	registry.NoStoredLogin: "or log in with docker login, whose config.json has none either",

	registry.AWSProfile: "correct ecr.profile or AWS_PROFILE",
	registry.AWSSSO:     "log in with aws sso login --profile '$profile'",
	registry.AWSSession: "log in with aws login --profile '$profile'",
	registry.AWSNothing: "run aws configure, or name a profile that has some with ecr.profile or AWS_PROFILE",
	registry.AWSProcess: "see what it says with aws sts get-caller-identity --profile '$profile'",
	registry.AWSFactor:  "log in before, or name a role that needs none with ecr.roleArn",
	registry.AWSExpired: "get new credentials for profile \"$profile\", or unset AWS_SESSION_TOKEN and its companions if they " +
		"are left over",
	registry.AWSClock:       "set this machine's clock, which $clock",
	registry.AWSKey:         "correct the access key of profile \"$profile\"",
	registry.AWSTrust:       "let the trust policy of $role name that user, and that user's policy sts:AssumeRole",
	registry.AWSUnreachable: "check that $host is right and the network",
	registry.AWSRegion:      "check that $host is right, that $region is a region, and the network",
	registry.AWSBroken:      "the fault is in AWS or a proxy before it; try again later",
	registry.AWSOther:       "check ecr.endpoint and the proxy",
	registry.AWSTokenFormat: "check ecr.endpoint",
}

// tagRemedies are about what the program has as a tag.
var tagRemedies = map[registry.Fault]string{
	registry.TagText:      "write host/path:tag, such as ghcr.io/acme/app:1",
	registry.TagInvisible: "remove it",
	registry.TagLogin:     "remove it and log in with docker login or set registries",
	registry.TagBare: "write user/$proposal for your own Docker Hub repository, registry.example.com/$proposal for your registry, " +
		"or docker.io/library/$proposal if you mean it",
	registry.TagLong: "shorten them to 128",
	registry.TagPath: "write host/path:tag, the path in lower-case letters and digits with single . _ - between them",
}
