package provider

import "github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"

// The remedies for the faults of package registry. registryRemedy replaces each $word by a fact of the fault, and a
// $word in single quotes by that fact quoted for a shell.

// registryRemedies are the remedies for a registry that cannot be reached or that refuses a request.
var registryRemedies = map[fault.Kind]string{
	fault.Unreachable: "check that $host is right and running",
	fault.Silent:      "check the network and try again",
	fault.UnknownHost: "correct the name of $host, or the DNS of the builder",
	fault.BrokenConnection: "the connection to $host breaks: check the network between it and the builder, and " +
		"try again",
	fault.BrokenServer:       "the fault is in $host; try again later",
	fault.ProxyRefused:       "correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY, here and at the builder",
	fault.ExpiredCertificate: "correct this machine's clock, or renew $host's certificate",
	fault.UntrustedCertificate: "add the authority that signed $host's certificate to this machine's, or name its " +
		"file in registries",
	fault.PlainHTTP:        "$host speaks plain http: serve it over https, or set insecure for it in registries",
	fault.PlainHTTPRefused: "serve the registry over https",
	fault.UnnamedHost:      "name $host in registries to allow it",
	fault.NotARegistry:     "check that $host is a registry and the proxy lets us reach it",
	fault.CAFile:           "correct it in registries",
	fault.CAFileLink:       "write the path of its target in registries",

	fault.NoCredentials:      "log in with docker login or set registries",
	fault.CredentialsRefused: "log in again with docker login '$host' or correct registries",
	fault.AccessDenied:       "give the user of $host access to $repository, or log in as another",
	fault.ReadDenied:         "give the user of $host access to $repository, or log in as another",
	fault.ActionDenied:       "allow $action in the IAM policy of that user",
	fault.OrganizationPolicy: "a policy of your AWS organization forbids it; ask those who keep the policy",
	fault.KeyDenied:          "let that user use the KMS key of $repository: kms:GenerateDataKey and kms:Decrypt",
	fault.RepositoryMissing:  "create $repository on $host first, a push does not create it",
	fault.TagFixed: "use a tag that changes with its content, such as $host/$repository:{hash}, or let the " +
		"repository move tags",
	fault.TagFixedUnserved: "restore that image or delete the tag, and try again",
	fault.TagInUse:         "delete the tags of that index first",
	fault.TagsNotDeleted:   "delete it with the tools of $host",
	fault.LimitReached: "delete old tags or images, for example with a lifecycle policy, or have AWS raise the " +
		"quota",
	fault.QuotaReached: "other credentials do not help: delete old images there and have the registry collect its " +
		"garbage, or have its administrator raise the quota",
	fault.RequestTooLarge: "a proxy before the registry, or the registry, limits how large a request may be: raise " +
		"that limit (nginx: client_max_body_size 0; ingress-nginx: proxy-body-size \"0\"), push to an address behind " +
		"the proxy, or split what the largest layer copies into several steps",
	fault.StorageFull: "the disk of the registry is full, not that of the builder: free space there",
	fault.ReadOnly:    "have its administrator end the read-only mode, or push to the registry that this one mirrors",
	fault.ManifestRefused: "the registry may be too old for images of OCI: write the media types of Docker with " +
		"exports: [{ image: { ociMediaTypes: false } }], which annotations, provenance and sbom cannot be used with",
	fault.RequestNotOffered: "the registry takes no push, as a mirror or one in read-only mode does, or not this " +
		"kind of image: leave annotations, provenance and sbom out, or write the media types of Docker with exports: " +
		"[{ image: { ociMediaTypes: false } }]",
	fault.RateLimited: "wait some minutes and try again, with fewer images at once",
}

// daemonRemedies replace the remedies of faults that the builder, and not this process, met.
var daemonRemedies = map[fault.Kind]string{
	fault.Unreachable:        "check that $host is right and running, and that the builder reaches it",
	fault.ExpiredCertificate: "correct the builder's clock, or renew $host's certificate",
	fault.UntrustedCertificate: "give the builder the authority that signed $host's certificate: caFile in " +
		"registries for the provider's own, ca in its buildkitd.toml for another",
}

// amazonRemedies replace the remedies of faults of Amazon ECR.
var amazonRemedies = map[fault.Kind]string{
	fault.CredentialsRefused: "check its account and region, and docker login or registries if they are from there",
	fault.ReadDenied: "allow ecr:BatchCheckLayerAvailability and ecr:BatchGetImage for $repository in the IAM policy " +
		"of that user",
	fault.RepositoryMissing: "create it with aws.ecr.Repository, or correct the account and the region in its name",
	fault.TagFixedUnserved: "restore it with aws ecr update-image-storage-class --repository-name '$repository' " +
		"--image-id '$image' --target-storage-class STANDARD, or delete the tag with aws ecr batch-delete-image " +
		"--repository-name '$repository' --image-ids '$image', and try again",
}

// contentRemedies are the remedies for the content of a registry.
var contentRemedies = map[fault.Kind]string{
	fault.ContentOther: "push it again, and look at the registry's storage or the proxy before it",
	fault.ContentLost:  "look at its storage",
	fault.TagLost:      "try again, and look at the registry's storage",
	fault.TagTaken:     "try again",
	fault.ImageOther:   "build and push it again",
	fault.NotAnImage:   "push images only",
	fault.ImageGone:    "push it again",
	fault.ImageArchived: "restore it with aws ecr update-image-storage-class --repository-name '$repository' " +
		"--image-id '$image' --target-storage-class STANDARD, or push it again",
	fault.ImageMaybe:    "only AWS credentials with the right to ecr:DescribeImages in $repository can tell",
	fault.ImageUnserved: "try again",

	fault.PlatformMissing: "choose platforms that the sources have, or add a source that has them",
	fault.PlatformTwice:   "leave one of them out of sources, or choose other platforms",
}

// loginRemedies are the remedies for sources of credentials: helpers, files, clouds.
var loginRemedies = map[fault.Kind]string{
	fault.HelperMissing: "install it, or remove it from docker's config.json",
	fault.HelperSilent:  "unlock its key store and try again",
	fault.HelperFailed:  "see what it says with: echo '$address' | $program get",
	fault.HelperEndless: "update it, or remove it from docker's config.json",
	fault.HelperGarbled: "update it",
	fault.DockerConfig:  "correct or remove that file",
	fault.DockerAuth:    "correct or unset it",
	fault.AzureRefused:  "log in with az login",
	fault.NoStoredLogin: "or log in with docker login, whose config.json has none either",

	fault.AWSProfile: "correct ecr.profile or AWS_PROFILE",
	fault.AWSSSO:     "log in with aws sso login --profile '$profile'",
	fault.AWSSession: "log in with aws login --profile '$profile'",
	fault.AWSNothing: "run aws configure, or name a profile that has some with ecr.profile or AWS_PROFILE",
	fault.AWSProcess: "see what it says with aws sts get-caller-identity --profile '$profile'",
	fault.AWSFactor:  "log in before, or name a role that needs none with ecr.roleArn",
	fault.AWSExpired: "get new credentials for profile \"$profile\", or unset AWS_SESSION_TOKEN and its companions " +
		"if they are left over",
	fault.AWSClock:       "set this machine's clock, which $clock",
	fault.AWSKey:         "correct the access key of profile \"$profile\"",
	fault.AWSTrust:       "let the trust policy of $role name that user, and that user's policy sts:AssumeRole",
	fault.AWSUnreachable: "check that $host is right and the network",
	fault.AWSRegion:      "check that $host is right, that $region is a region, and the network",
	fault.AWSBroken:      "the fault is in AWS or a proxy before it; try again later",
	fault.AWSOther:       "check ecr.endpoint and the proxy",
	fault.AWSTokenFormat: "check ecr.endpoint",
}

// tagRemedies are the remedies for the text of a tag in the program.
var tagRemedies = map[fault.Kind]string{
	fault.TagText:      "write host/path:tag, such as ghcr.io/acme/app:1",
	fault.TagInvisible: "remove it",
	fault.TagLogin:     "remove it and log in with docker login or set registries",
	fault.TagBare: "write user/$proposal for your own Docker Hub repository, registry.example.com/$proposal for your " +
		"registry, or docker.io/library/$proposal if you mean it",
	fault.TagLong: "shorten them to 128",
	fault.TagPath: "write host/path:tag, the path in lower-case letters and digits with single . _ - between them",
}
