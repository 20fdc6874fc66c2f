package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// ImageArgs are the inputs of an Image. Every optional scalar is a pointer: nil means "not set".
type ImageArgs struct {
	Context         *BuildContext           `pulumi:"context,optional"`
	Dockerfile      *Dockerfile             `pulumi:"dockerfile,optional"`
	Platforms       []Platform              `pulumi:"platforms,optional"`
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
	Limits          *Limits                 `pulumi:"limits,optional"`
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
	Builder         *BuilderConfig          `pulumi:"builder,optional"`
	ContextHash     *string                 `pulumi:"contextHash,optional"`
	Watch           *Watch                  `pulumi:"watch,optional"`
	Pull            *bool                   `pulumi:"pull,optional"`
	BaseDigests     map[string]string       `pulumi:"baseDigests,optional"`
	Allow           []string                `pulumi:"allow,optional"`
	NoCacheFilter   []string                `pulumi:"noCacheFilter,optional"`
	Exec            *bool                   `pulumi:"exec,optional"`
	IgnoreSecrets   []string                `pulumi:"ignoreSecretsInDiffCalculation,optional"`
	VolatileArgs    []string                `pulumi:"volatileArgs,optional"`
	WatchSecrets    []string                `pulumi:"watchSecrets,optional"`
	CacheMounts     *CacheMounts            `pulumi:"cacheMounts,optional"`
}

// Annotate documents the inputs in the schema and in every SDK.
func (a *ImageArgs) Annotate(an infer.Annotator) {
	an.Describe(&a.Context, "The build context: the files that `COPY` and `ADD` can read. Defaults to the "+
		"folder of the program.")
	an.Describe(&a.Dockerfile, "The Dockerfile, as a path or as text. Defaults to `Dockerfile` in the build context.")
	an.Describe(&a.Platforms, "Platforms to build for, such as `linux/amd64` and `linux/arm64`, or with a "+
		"variant, such as `linux/arm/v7`. Several platforms make an index (manifest list), one makes a single "+
		"manifest. In a language with strings for enums, every other platform that exists can be written, too. "+
		"Defaults to the builder's own platform.")
	an.Describe(&a.Tags, "Full references to push to, such as "+
		"`123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1`; `user/app:1` is Docker Hub's. A reference "+
		"without a host and a namespace, such as `app:1`, is only for an image that is not pushed. The order "+
		"matters only for `ref`, which takes the first. "+
		"`{hash}` in a tag, as in `app:{hash}`, stands for 64 digits: a hash of everything that shapes the "+
		"image. If the registry has such a tag, that image is used and nothing is built. So everybody who may "+
		"push to the repository is trusted. `{hash:12}` is the beginning of that hash, for people to read; such "+
		"a tag never skips a build.")
	an.Describe(&a.Push, "Whether to push the image. Without a push, `load` or an export of an image, the steps "+
		"run but no image is made, and `digest` is empty. An export of a registry, or one with `push`, "+
		"pushes even if this is false. Defaults to true if there are tags and no export says otherwise.")
	an.Describe(&a.PushTimeout, "How many seconds to retry a push, and the tagging after it, if a registry is "+
		"busy, unreachable or wants a new login. The build is not repeated. Defaults to 300.")
	an.Describe(&a.BuildOnPreview, "Whether `pulumi preview` builds what would change. A broken Dockerfile or a "+
		"failing step then fails the preview. A preview never pushes. Defaults to true.")
	an.Describe(&a.Target, "The stage of the Dockerfile to build. Defaults to the last stage.")
	an.Describe(&a.BuildArgs, "Values for the `ARG` instructions of the Dockerfile. The history of the image "+
		"shows them, so a secret among them is refused. The arguments that BuildKit itself acts on work as "+
		"BuildKit documents them, such as `BUILDKIT_INLINE_CACHE`. Steps also get the `proxies` of Docker's "+
		"`config.json`, unless an argument of the same name is here.")
	an.Describe(&a.VolatileArgs, "Names of `buildArgs` whose change is no reason to build, such as that of a commit "+
		"or of a build number. The next build for another reason gets the current values. They are not part of "+
		"`{hash}` either, so an image that is found by such a tag may have been built with other values. Empty by "+
		"default.")
	an.Describe(&a.Labels, "Labels of the image. A secret among them is refused.")
	describeImage(a, an)
	describeSteps(a, an)
	describeSecrets(a, an)
	describeCaches(a, an)
	describeExports(a, an)
	describeDockerBuild(a, an)
	an.Describe(&a.Registries, "Logins for registries, and how to reach them. A change never causes a build. For "+
		"a host without a login here, the plugin uses the credentials of the cloud or of Docker (`docker login`, "+
		"credential helpers).")
	an.Describe(&a.Builder, "The BuildKit daemon or Docker Engine that builds. A change never causes a build. "+
		"Defaults to the provider's `host`, then what `BUILDKIT_HOST`, `DOCKER_HOST`, `DOCKER_CONTEXT`, "+
		"`BUILDX_BUILDER` or `docker buildx use` name, then the plugin's own daemon (on Linux as root), then "+
		"the Docker Engine of this machine.")
	an.Describe(&a.ContextHash, "The digest of everything that the build reads from this machine: the Dockerfile "+
		"and the build contexts, without what ignore files leave out. Set it to decide yourself when to build, "+
		"or put it into `ignoreChanges` to keep the image as it is. Defaults to the computed digest.")
	an.Describe(&a.Pull, "Whether new base images and new commits cause a build. If true, every preview and "+
		"update asks registries for the digests of the base images, which `baseDigests` then holds. It also asks "+
		"git servers for the commit behind the branch or tag of a git context. If false, only the text of the "+
		"Dockerfile and the URL count, and the builder may use base images that it has. Defaults to false.")
	an.Describe(&a.BaseDigests, "The digest to build with for each base image, by its reference, such as "+
		"`alpine:3.20`. With `pull`, missing entries are looked up, and a preview shows which base image is new.")
	an.Describe(&a.Watch, "Which part of the build contexts is hashed and sent. Defaults to `auto`.")
}

// Watch says which part of the build contexts is hashed and sent.
type Watch string

// The values of Watch.
const (
	WatchAuto Watch = "auto"
	WatchAll  Watch = "all"
)

// Values implements infer.Enum.
func (Watch) Values() []infer.EnumValue[Watch] {
	return []infer.EnumValue[Watch]{
		{Name: "Auto", Value: WatchAuto, Description: "What the Dockerfile reads. If that is uncertain, the whole " +
			"context."},
		{Name: "All", Value: WatchAll, Description: "Everything that no ignore file leaves out."},
	}
}

// BuildContext says where a build reads files from.
type BuildContext struct {
	Location *string            `pulumi:"location,optional"`
	Named    map[string]Context `pulumi:"named,optional"`
}

// Annotate documents the type.
func (c *BuildContext) Annotate(an infer.Annotator) {
	an.Describe(c, "Where a build reads files from.")
	an.Describe(&c.Location, "A folder, relative to the program. Files that `<Dockerfile>.dockerignore`, or "+
		"else `.dockerignore`, leaves out are neither read nor sent. Or a git repository, such as "+
		"`https://host/repo.git#branch:folder`, or the URL of an archive. The builder fetches these itself. "+
		"Without `pull`, only a new URL counts as a change. A folder that exists comes first, even if its "+
		"name could be a repository, such as `github.com/acme/app`. Defaults to `.`.")
	an.Describe(&c.Named, "More contexts by name, for `COPY --from=name`, `RUN --mount=from=name` and `FROM name`.")
}

// Context is one further build context.
type Context struct {
	Location string `pulumi:"location"`
}

// Annotate documents the type.
func (c *Context) Annotate(an infer.Annotator) {
	an.Describe(c, "One more build context.")
	an.Describe(&c.Location, "A folder, relative to the program, with its own `.dockerignore`. Or a git "+
		"repository, the URL of an archive, or an image: `docker-image://reference`.")
}

// Dockerfile is the Dockerfile, as a path or as text.
type Dockerfile struct {
	Location *string `pulumi:"location,optional"`
	Inline   *string `pulumi:"inline,optional"`
}

// Annotate documents the type.
func (d *Dockerfile) Annotate(an infer.Annotator) {
	an.Describe(d, "The Dockerfile: either `location` or `inline`.")
	an.Describe(&d.Location, "Path of the Dockerfile on this machine, relative to the program. If the context "+
		"is a git repository or an archive, a relative path is one in there, and an absolute one is on this machine. "+
		"No ignore file applies to such a context. Or an `http` or `https` URL of at most 1 MiB: every preview and "+
		"update downloads it, and another text is a change. If `contextHash` is given, only a build or `pull` does. A "+
		"host that does not answer within 30 seconds is an error. Defaults to `Dockerfile` in the context, or else "+
		"`dockerfile`.")
	an.Describe(&d.Inline, "Text of the Dockerfile.")
}

// Registry is a login for a registry, and how to reach its host.
type Registry struct {
	Address  string  `pulumi:"address"`
	Username *string `pulumi:"username,optional"`
	Password *string `pulumi:"password,optional" provider:"secret"`
	CAFile   *string `pulumi:"caFile,optional"`
	Insecure *bool   `pulumi:"insecure,optional"`
}

// Annotate documents the type.
func (r *Registry) Annotate(an infer.Annotator) {
	an.Describe(r, "A login for one registry host, and how to reach it. The login is sent to that host only.")
	an.Describe(&r.Address, "Host of the registry, such as `ghcr.io` or "+
		"`123456789012.dkr.ecr.eu-west-1.amazonaws.com`.")
	an.Describe(&r.Username, "User name.")
	an.Describe(&r.Password, "Password or token.")
	an.Describe(&r.CAFile, "Path of a PEM file with the authorities that signed the certificate of the registry. "+
		"They are trusted besides those of this machine. The plugin's own daemon trusts them too; tell another "+
		"daemon with `ca` in its buildkitd.toml.")
	an.Describe(&r.Insecure, "Whether to pull and push over plain HTTP, with the password. For HTTPS with your "+
		"own certificate, set `caFile`. Tell a daemon other than the plugin's own with `http` in its "+
		"buildkitd.toml. Registries on this machine need no such permission. Defaults to false.")
}
