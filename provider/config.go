package provider

import (
	"context"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Config is the configuration of the provider, the default for its images.
type Config struct {
	Host              *string       `pulumi:"host,optional"`
	TLS               *TLS          `pulumi:"tls,optional"`
	Builders          []BuilderNode `pulumi:"builders,optional"`
	Registries        []Registry    `pulumi:"registries,optional"`
	ECR               *ECR          `pulumi:"ecr,optional"`
	MaxParallelBuilds *int          `pulumi:"maxParallelBuilds,optional"`
	Frontends         []string      `pulumi:"frontends,optional"`
	AllowInsecureTCP  *bool         `pulumi:"allowInsecureTcp,optional"`
	// Mirrors holds the addresses of mirrors by the host of their registry. The method mirrors returns them as the
	// builders take them.
	Mirrors map[string][]string `pulumi:"mirrors,optional"`
}

// ECR says which AWS credentials the provider uses at Amazon ECR.
type ECR struct {
	Profile  *string  `pulumi:"profile,optional"`
	RoleArn  *string  `pulumi:"roleArn,optional"`
	Region   *string  `pulumi:"region,optional"`
	Endpoint *string  `pulumi:"endpoint,optional"`
	Hosts    []string `pulumi:"hosts,optional"`
}

// Annotate documents the type.
func (e *ECR) Annotate(an infer.Annotator) {
	an.Describe(e, "Which AWS credentials to use at Amazon ECR. Without settings, the AWS SDK finds them: in the "+
		"environment, in `~/.aws` with its profiles and SSO sessions, or in the role of the machine. The plugin "+
		"looks for them only when a registry of Amazon ECR wants a login.")
	an.Describe(&e.Profile, "A profile of `~/.aws/config`. Defaults to `AWS_PROFILE`.")
	an.Describe(&e.RoleArn, "A role to assume, also in another account, such as "+
		"`arn:aws:iam::123456789012:role/push`.")
	an.Describe(&e.Region, "The region of `hosts`. The names of other registries contain their region.")
	an.Describe(&e.Endpoint, "URL of the API of Amazon ECR. Defaults to `AWS_ENDPOINT_URL_ECR`, or else the "+
		"endpoint of the region.")
	an.Describe(&e.Hosts, "Registries that are Amazon ECR although their names do not show it: VPC endpoints and "+
		"proxies. They need `region`.")
}

// Annotate documents the configuration in the schema and in every SDK.
func (c *Config) Annotate(an infer.Annotator) {
	an.Describe(&c.Host, "The BuildKit daemon or Docker Engine for images without their own `builder`: an "+
		"address, as in `builder.endpoint`. Defaults to what `BUILDKIT_HOST`, `DOCKER_HOST`, `DOCKER_CONTEXT`, "+
		"`BUILDX_BUILDER` or `docker buildx use` name, then the plugin's own daemon (on Linux as root), then "+
		"the Docker Engine of this machine.")
	an.Describe(&c.TLS, "Certificates for `host`, if that begins with `tcp://`. Defaults to no TLS.")
	an.Describe(&c.Builders, "Several builders for images without their own `builder`, in the order of preference. "+
		"Each platform of an image is built on the first builder whose machine runs it natively; else on the first "+
		"that `platforms` names for it; else on the first that emulates it. Builders with `share` divide the images "+
		"that they suit equally well. The builders work side by side. One that does not answer is left out with a "+
		"warning. An image that also writes files or is loaded is built by one of them. Not with `host`.")
	an.Describe(&c.Registries, "Logins for registries, for every image. An image's own login for the same host "+
		"comes first.")
	an.Describe(&c.ECR, "Which AWS credentials to use at Amazon ECR, for every image without its own login. "+
		"Defaults to the credentials that the AWS SDK finds.")
	an.Describe(&c.MaxParallelBuilds, "How many images build and push at the same time on one builder, at least 1. "+
		"The others wait, and get their turns in the order in which they ask. Caches of `cacheTo` are written "+
		"outside of this limit. Defaults to four builds for each core of the builder, and any number of pushes. A "+
		"builder whose cores are not known has no limit: one at `tcp://`, `ssh://`, `kube-pod://` or the address of "+
		"a container. One at `unix://` is taken for one on this machine: set a number if its socket leads to another "+
		"machine. `pulumi up --parallel` limits images too, by default to four for each core of this machine.")
	an.Describe(&c.Frontends, "Images that may interpret a Dockerfile, by `# syntax=` or `BUILDKIT_SYNTAX`, "+
		"besides `docker/dockerfile` and `docker/dockerfile-upstream`. Each is a repository, such as "+
		"`ghcr.io/acme/frontend`, or one tag or digest of it. A frontend is a program that decides what is "+
		"built, so the plugin's own daemon refuses others.")
	c.describeMirrors(an)
	an.Describe(&c.AllowInsecureTCP, "Whether to build on a daemon of another machine by `tcp://` without "+
		"TLS. Anybody on the way can then read the secrets of a build and change what is built. `tcp://` to this "+
		"machine needs no permission. Defaults to whether `PULUMI_BUILDKIT_ALLOW_INSECURE_TCP` is `1`.")
}

// describeMirrors documents mirrors.
func (c *Config) describeMirrors(an infer.Annotator) {
	an.Describe(&c.Mirrors, "Mirrors of registries, by the host of the registry, such as `docker.io`: addresses "+
		"`host[:port][/path]`, without a scheme. Images of that registry are asked for there first, in this order, "+
		"and at the registry if no mirror has them. So are base images with `pull`, frontends and registry caches; "+
		"pushes are not. A mirror is reached by HTTPS, or by plain HTTP on the loopback of this machine. `registries` "+
		"holds its login, `caFile` and `insecure`. Works on the plugin's own BuildKit: the embedded daemon, and the "+
		"one in a Docker Engine; other builders use their own configuration, and a warning says so. For "+
		"those, `pull` asks the registry itself, and the mirrors if it gives no answer. A mirror that gives `pull` "+
		"no answer is asked again after a minute. A change builds nothing. Defaults to none.")
}

// Check validates the configuration, all of it at once. It reads no file, asks no credential helper and dials nothing.
func (Config) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[Config], error) {
	known, unrecognized := splitConfig(req.NewInputs)
	schemaFailures := schemaErrors(property.New(known), reflect.TypeFor[Config](), "")
	config, failures, err := infer.DefaultCheck[Config](ctx, known)
	if err != nil {
		return infer.CheckResponse[Config]{}, err
	}
	if len(schemaFailures) > 0 { // the same failures, with more detail
		failures = schemaFailures
	}
	if len(unrecognized) > 0 {
		loggerOf(ctx).warnf("the provider has no configuration %s, which is ignored; there are %s",
			strings.Join(unrecognized, ", "), strings.Join(configKeys, ", "))
	}
	c := &checker{ctx: ctx, raw: known, args: ImageArgs{Registries: config.Registries}, failures: failures}
	checkRegistries(c)
	if host := strings.TrimSpace(deref(config.Host)); host != "" && isKnown(c.raw, "host", "tls") {
		mayBeInsecure := config.allowsInsecureTCP() || !isKnown(c.raw, "allowInsecureTcp")
		checkEndpoint(c, "host", host, config.TLS != nil || mayBeInsecure)
		checkTLS(c, "tls", host, config.TLS)
	}
	checkBuilders(c, config)
	checkFrontends(c, config.Frontends)
	checkMirrors(c, config.Mirrors)
	checkECR(c, config.ECR)
	if n := config.MaxParallelBuilds; n != nil && *n < 1 && isKnown(c.raw, "maxParallelBuilds") {
		c.fail("maxParallelBuilds", "%d images at once would build none: say at least 1, or leave it out", *n)
	}
	return infer.CheckResponse[Config]{Inputs: config, Failures: hideValues(known, c.failures)}, nil
}

var roleARN = regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`)

func checkECR(c *checker, e *ECR) {
	if e == nil || !isKnown(c.raw, "ecr") {
		return
	}
	if e.RoleArn != nil && !roleARN.MatchString(*e.RoleArn) {
		c.fail("ecr.roleArn", "%q is not the ARN of a role, such as arn:aws:iam::123456789012:role/push", *e.RoleArn)
	}
	if e.Endpoint != nil && !isHTTP(*e.Endpoint) {
		c.fail("ecr.endpoint", "%q is not a URL, such as https://api.ecr.eu-west-1.amazonaws.com", *e.Endpoint)
	}
	if len(e.Hosts) > 0 && deref(e.Region) == "" {
		c.fail("ecr.region", "it is missing: the names in ecr.hosts do not say in which region they are")
	}
}

// isHTTP tells whether a text is an http or https URL with a host.
func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// configKeys lists the properties of Config.
var configKeys = []string{
	"allowInsecureTcp", "builders", "ecr", "frontends", "host", "maxParallelBuilds", "mirrors", "registries", "tls",
}

// splitConfig returns the properties of Config, and the keys that Config does not have. Another version of the provider
// may know these. It leaves out what the engine adds.
func splitConfig(m property.Map) (known property.Map, unrecognized []string) {
	for key, value := range m.All {
		switch {
		case slices.Contains(configKeys, key):
			known = known.Set(key, value)
		case key != "version" && key != "pluginDownloadURL" && !strings.HasPrefix(key, "__"):
			unrecognized = append(unrecognized, key)
		}
	}
	return known, sortUnique(unrecognized)
}

// diffFunc is the method DiffConfig of a provider.
type diffFunc func(context.Context, p.DiffRequest) (p.DiffResponse, error)

// withoutReplacements turns a replacement that infer plans into an update. A replaced provider would replace every
// image, and one that is left alone would keep the old password.
func withoutReplacements(diff diffFunc) diffFunc {
	kinds := map[p.DiffKind]p.DiffKind{p.AddReplace: p.Add, p.DeleteReplace: p.Delete, p.UpdateReplace: p.Update}
	return func(ctx context.Context, req p.DiffRequest) (p.DiffResponse, error) {
		res, err := diff(ctx, req)
		for path, change := range res.DetailedDiff {
			if kind, replaces := kinds[change.Kind]; replaces {
				change.Kind = kind
				res.DetailedDiff[path] = change
			}
		}
		res.DeleteBeforeReplace = false
		return res, err
	}
}
