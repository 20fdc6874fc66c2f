package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// ImageArgs are the inputs of an Image. Every optional scalar is a pointer: nil is "not said".
type ImageArgs struct {
	Context         *BuildContext           `pulumi:"context,optional"`
	Dockerfile      *Dockerfile             `pulumi:"dockerfile,optional"`
	Platforms       []string                `pulumi:"platforms,optional"`
	Tags            []string                `pulumi:"tags,optional"`
	Push            *bool                   `pulumi:"push,optional"`
	PushTimeout     *int                    `pulumi:"pushTimeout,optional"`
	BuildOnPreview  *bool                   `pulumi:"buildOnPreview,optional"`
	Target          *string                 `pulumi:"target,optional"`
	BuildArgs       map[string]string       `pulumi:"buildArgs,optional"`
	Labels          map[string]string       `pulumi:"labels,optional"`
	Annotations     map[string]string       `pulumi:"annotations,optional"`
	TestTargets     []string                `pulumi:"testTargets,optional"`
	AddHosts        []string                `pulumi:"addHosts,optional"`
	Network         *NetworkMode            `pulumi:"network,optional"`
	NoCache         *bool                   `pulumi:"noCache,optional"`
	SSH             []SSH                   `pulumi:"ssh,optional"`
	SourceDateEpoch *int                    `pulumi:"sourceDateEpoch,optional"`
	Provenance      *Provenance             `pulumi:"provenance,optional"`
	SBOM            *SBOM                   `pulumi:"sbom,optional"`
	Secrets         map[string]string       `pulumi:"secrets,optional" provider:"secret"`
	SecretSources   map[string]SecretSource `pulumi:"secretSources,optional"`
	CacheFrom       []CacheFrom             `pulumi:"cacheFrom,optional"`
	CacheTo         []CacheTo               `pulumi:"cacheTo,optional"`
	Exports         []Export                `pulumi:"exports,optional"`
	Load            *bool                   `pulumi:"load,optional"`
	Registries      []Registry              `pulumi:"registries,optional"`
	Builder         *Builder                `pulumi:"builder,optional"`
	ContextHash     *string                 `pulumi:"contextHash,optional"`
	Watch           *Watch                  `pulumi:"watch,optional"`
	Pull            *bool                   `pulumi:"pull,optional"`
	BaseDigests     map[string]string       `pulumi:"baseDigests,optional"`
}

// Annotate documents the inputs in the schema and in every SDK.
func (a *ImageArgs) Annotate(an infer.Annotator) {
	an.Describe(&a.Context, "The build context: the files that `COPY` and `ADD` can read. Defaults to the directory of the program.")
	an.Describe(&a.Dockerfile, "The Dockerfile, as a path or as text. Defaults to `Dockerfile` in the build context.")
	an.Describe(&a.Platforms, "Platforms to build for, such as `linux/amd64` and `linux/arm64`; variants such as `linux/arm/v7` too. "+
		"Several platforms make an index (manifest list), one a plain manifest. Defaults to the builder's own platform.")
	an.Describe(&a.Tags, "Full references to push to, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1`; `user/app:1` is "+
		"Docker Hub's. A reference without a host and a namespace is refused. Their order is of no meaning but for `ref`, which "+
		"takes the first. `{hash}` in a tag, as in `app:{hash}`, is replaced by the 64 digits of a hash of everything that shapes the image: "+
		"when such a tag is in the registry, it is used and nothing is built. So whoever may push to the repository is trusted. "+
		"`{hash:12}` is the beginning of that hash, for people to read: a tag like any other.")
	an.Describe(&a.Push, "Whether to push the image. Defaults to true when there are tags. An image that is neither pushed, loaded nor exported "+
		"is not made: the steps run, and `digest` is empty.")
	an.Describe(&a.PushTimeout, "Seconds for which a push, and the tagging after it, is tried again when a registry is busy, unreachable or "+
		"wants a new login. The build is not repeated. Defaults to 300.")
	an.Describe(&a.BuildOnPreview, "Whether `pulumi preview` builds what would change, so that a broken Dockerfile or a failing "+
		"step shows there. A preview never pushes. Defaults to true.")
	an.Describe(&a.Target, "The stage of the Dockerfile to build. Defaults to the last.")
	an.Describe(&a.BuildArgs, "Values of the Dockerfile's `ARG`s. They can be read in the image's history: a secret "+
		"among them is refused. Those that BuildKit acts on, such as `BUILDKIT_INLINE_CACHE`, work as its documentation says.")
	an.Describe(&a.Labels, "Labels of the image.")
	a.describeImage(an)
	a.describeSteps(an)
	a.describeSecrets(an)
	a.describeCaches(an)
	a.describeExports(an)
	an.Describe(&a.Registries, "Logins for registries, of which a change is never a reason to build. Without one for a host, the "+
		"Docker configuration of the user (`docker login`, credential helpers) is asked.")
	an.Describe(&a.Builder, "The BuildKit daemon that builds. Defaults to the one in the environment variable `BUILDKIT_HOST`, else "+
		"to the provider's own, which it starts when needed (Linux only).")
	an.Describe(&a.ContextHash, "The digest of everything that the build reads from this machine: the Dockerfile and, after their "+
		"ignore files, the build contexts. Computed when it is not given. Set it to decide by hand when to build, or put it in "+
		"`ignoreChanges` to keep the image as it is.")
	an.Describe(&a.Pull, "Whether to ask, in previews too, what names stand for now: registries for the digests of the base images, which "+
		"`baseDigests` then holds, and git servers for the commit behind the branch or tag of a git context. What is new is built. Without it "+
		"the Dockerfile and the URL count as they are written, and the builder takes the base images that it has. Defaults to false.")
	an.Describe(&a.BaseDigests, "The digest to build with for each base image, by its reference, such as `alpine:3.20`. Under `pull` these are looked "+
		"up when they are not given, and a preview shows which of them is new.")
	an.Describe(&a.Watch, "Which part of the build contexts decides when to build, and is sent. Defaults to `auto`.")
}

// Watch says which part of the build contexts is hashed and sent.
type Watch string

// The values of Watch.
const (
	WatchAuto Watch = "auto"
	WatchAll  Watch = "all"
)

// Values are the values of the enum.
func (Watch) Values() []infer.EnumValue[Watch] {
	return []infer.EnumValue[Watch]{
		{Name: "Auto", Value: WatchAuto, Description: "What the Dockerfile reads from them; all of it when that cannot be told for certain."},
		{Name: "All", Value: WatchAll, Description: "Everything that no ignore file leaves out."},
	}
}

// BuildContext is where a build reads files from.
type BuildContext struct {
	Location *string                 `pulumi:"location,optional"`
	Named    map[string]NamedContext `pulumi:"named,optional"`
}

// Annotate documents the type.
func (c *BuildContext) Annotate(an infer.Annotator) {
	an.Describe(c, "Where a build reads files from.")
	an.Describe(&c.Location, "A directory, relative to the program: what `<Dockerfile>.dockerignore` or else `.dockerignore` leaves out is "+
		"neither read nor sent. Or what the builder fetches itself: a git repository such as `https://host/repo.git#branch:folder`, or the "+
		"URL of an archive; it counts by its URL. What is there as a directory is one, also if its name could be a repository's, as "+
		"`github.com/acme/app`. Defaults to `.`.")
	an.Describe(&c.Named, "Further contexts by name, for `COPY --from=name`, `RUN --mount=from=name` and `FROM name`.")
}

// NamedContext is one further build context.
type NamedContext struct {
	Location string `pulumi:"location"`
}

// Annotate documents the type.
func (c *NamedContext) Annotate(an infer.Annotator) {
	an.Describe(c, "A further build context.")
	an.Describe(&c.Location, "A directory, relative to the program, of which its own `.dockerignore` applies; a git repository or the URL of "+
		"an archive; or an image: `docker-image://reference`.")
}

// Dockerfile is the recipe, as a path or as text.
type Dockerfile struct {
	Location *string `pulumi:"location,optional"`
	Inline   *string `pulumi:"inline,optional"`
}

// Annotate documents the type.
func (d *Dockerfile) Annotate(an infer.Annotator) {
	an.Describe(d, "The Dockerfile: one of `location` and `inline`.")
	an.Describe(&d.Location, "Path of the Dockerfile on this machine, relative to the program. Defaults to `Dockerfile` in the context, or else "+
		"`dockerfile`.")
	an.Describe(&d.Inline, "Text of the Dockerfile.")
}

// Registry is a login, and how to reach its host.
type Registry struct {
	Address  string  `pulumi:"address"`
	Username *string `pulumi:"username,optional"`
	Password *string `pulumi:"password,optional" provider:"secret"`
	CAFile   *string `pulumi:"caFile,optional"`
	Insecure *bool   `pulumi:"insecure,optional"`
}

// Annotate documents the type.
func (r *Registry) Annotate(an infer.Annotator) {
	an.Describe(r, "A login for one registry host, which is sent to that host only, and how to reach it.")
	an.Describe(&r.Address, "Host of the registry, such as `ghcr.io` or `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.")
	an.Describe(&r.Username, "User name.")
	an.Describe(&r.Password, "Password or token.")
	an.Describe(&r.CAFile, "File with the authorities, as PEM, that signed the registry's certificate, besides those that this machine trusts. "+
		"The provider's own builder trusts them too; another one has to be told, with `ca` in its buildkitd.toml.")
	an.Describe(&r.Insecure, "Pull and push over plain http, the password too. For https with a certificate of your own there is `caFile`. "+
		"Another builder than the provider's own has to be told before it pulls, with `http` in its buildkitd.toml. Registries on this very machine need no such permission.")
}

// Builder is the daemon that builds.
type Builder struct {
	Endpoint *string `pulumi:"endpoint,optional"`
}

// Annotate documents the type.
func (b *Builder) Annotate(an infer.Annotator) {
	an.Describe(b, "The BuildKit daemon that builds.")
	an.Describe(&b.Endpoint, "Its address: `unix:///run/buildkit/buildkitd.sock` or `tcp://host:port`.")
}
