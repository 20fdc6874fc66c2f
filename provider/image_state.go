package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// ImageState holds the outputs of an Image: the inputs as they were applied, but for secrets and credentials, and the
// digests. Two runs with the same content have equal outputs, or dependents would be deployed again.
type ImageState struct {
	Platforms       []Platform          `pulumi:"platforms,optional"`
	Tags            []string            `pulumi:"tags,optional"`
	Push            *bool               `pulumi:"push,optional"`
	Target          *string             `pulumi:"target,optional"`
	BuildArgs       map[string]string   `pulumi:"buildArgs,optional"`
	Labels          map[string]string   `pulumi:"labels,optional"`
	Annotations     map[string]string   `pulumi:"annotations,optional"`
	TestTargets     []string            `pulumi:"testTargets,optional"`
	AddHosts        []string            `pulumi:"addHosts,optional"`
	Network         *NetworkMode        `pulumi:"network,optional"`
	SourceDateEpoch *int                `pulumi:"sourceDateEpoch,optional"`
	Provenance      *Provenance         `pulumi:"provenance,optional"`
	SBOM            *SBOM               `pulumi:"sbom,optional"`
	Exports         []Export            `pulumi:"exports,optional"`
	Load            *bool               `pulumi:"load,optional"`
	Context         *BuildContext       `pulumi:"context,optional"`
	Dockerfile      *Dockerfile         `pulumi:"dockerfile,optional"`
	Watch           *Watch              `pulumi:"watch,optional"`
	Pull            *bool               `pulumi:"pull,optional"`
	NoCache         *bool               `pulumi:"noCache,optional"`
	NoCacheFilter   []string            `pulumi:"noCacheFilter,optional"`
	Allow           []string            `pulumi:"allow,optional"`
	Limits          *Limits             `pulumi:"limits,optional"`
	Builder         *BuilderConfig      `pulumi:"builder,optional"`
	BuildOnPreview  *bool               `pulumi:"buildOnPreview,optional"`
	CacheFrom       []CacheFrom         `pulumi:"cacheFrom,optional"`
	CacheTo         []CacheTo           `pulumi:"cacheTo,optional"`
	PushTimeout     *int                `pulumi:"pushTimeout,optional"`
	Exec            *bool               `pulumi:"exec,optional"`
	IgnoreSecrets   []string            `pulumi:"ignoreSecretsInDiffCalculation,optional"`
	VolatileArgs    []string            `pulumi:"volatileArgs,optional"`
	WatchSecrets    []string            `pulumi:"watchSecrets,optional"`
	CacheMounts     *CacheMounts        `pulumi:"cacheMounts,optional"`
	ContextHash     string              `pulumi:"contextHash"`
	Digest          string              `pulumi:"digest"`
	Ref             string              `pulumi:"ref"`
	RepoDigest      string              `pulumi:"repoDigest"`
	Refs            []string            `pulumi:"refs"`
	Manifests       map[string]Manifest `pulumi:"manifests"`
}

// Annotate documents the outputs in the schema and in every SDK.
func (s *ImageState) Annotate(an infer.Annotator) {
	an.Describe(&s.Platforms, "The platforms as the program gave them.")
	an.Describe(&s.Tags, "The tags that hold the image.")
	an.Describe(&s.Push, "Whether the image was to be pushed.")
	an.Describe(&s.Target, "The stage that was built.")
	an.Describe(&s.BuildArgs, "The build arguments that were applied.")
	an.Describe(&s.Labels, "The labels that were applied.")
	an.Describe(&s.Annotations, "The annotations that were applied.")
	an.Describe(&s.TestTargets, "The stages that were built before the image.")
	an.Describe(&s.AddHosts, "The hosts that steps knew.")
	an.Describe(&s.Network, "The network of steps.")
	an.Describe(&s.SourceDateEpoch, "The time that was applied, in seconds since 1970.")
	an.Describe(&s.Provenance, "The provenance that is attached.")
	an.Describe(&s.SBOM, "The SBOM that is attached.")
	an.Describe(&s.Exports, "What the build wrote beside the image, and how it wrote the image.")
	an.Describe(&s.Load, "Whether the image was loaded into a Docker Engine.")
	an.Describe(&s.Context, "The build context of the last update, without logins in URLs.")
	an.Describe(&s.Dockerfile, "The Dockerfile of the last update: where it is, or its text.")
	an.Describe(&s.Watch, "Which part of the build contexts counted in the last update.")
	an.Describe(&s.Pull, "Whether new base images and commits caused a build in the last update.")
	an.Describe(&s.NoCache, "Whether the last build ran every step again.")
	an.Describe(&s.NoCacheFilter, "The stages whose steps the last build ran again.")
	an.Describe(&s.Allow, "What steps were allowed to do in the last update.")
	an.Describe(&s.Limits, "The limits of steps in the last update.")
	an.Describe(&s.Builder, "The builder that the program named in the last update, without certificates.")
	an.Describe(&s.BuildOnPreview, "Whether previews build, as of the last update.")
	an.Describe(&s.CacheFrom, "The caches to import in the last update, without credentials.")
	an.Describe(&s.CacheTo, "The caches to export in the last update, without credentials.")
	an.Describe(&s.CacheMounts, "Where the content of cache mounts was kept, as of the last update.")
	an.Describe(&s.PushTimeout, "How many seconds a push was tried, as of the last update.")
	an.Describe(&s.Exec, "As the program gave it in the last update.")
	an.Describe(&s.IgnoreSecrets, "As the program gave it in the last update.")
	an.Describe(&s.VolatileArgs, "The build arguments whose change was no reason to build in the last update.")
	an.Describe(&s.WatchSecrets, "The secrets whose change was a reason to build in the last update.")
	an.Describe(&s.ContextHash, "The digest of everything that the build read from this machine.")
	an.Describe(&s.Digest, "The digest of the index: `sha256:…`. With one platform and no attestation, it is the "+
		"digest of the manifest. Empty if no image is made because it is not pushed, loaded or exported; "+
		"`contextHash` changes with the files even then.")
	an.Describe(&s.Ref, "The first tag with the digest: `host/repository:tag@sha256:…`. If the image is loaded, kept "+
		"or written and not pushed, its first tag as the program gave it. Empty if nobody gets the image.")
	an.Describe(&s.RepoDigest, "The first repository with the digest: `host/repository@sha256:…`. Name this in a "+
		"deployment. Empty if nothing was pushed.")
	an.Describe(&s.Refs, "Every reference that was pushed, with `{hash}` replaced.")
	an.Describe(&s.Manifests, "The manifest of each platform, by platform. AWS Lambda, for example, takes a "+
		"single manifest and no index. Empty if nothing was pushed.")
}

// Manifest is the image of one platform.
type Manifest struct {
	Digest     string  `pulumi:"digest"`
	RepoDigest string  `pulumi:"repoDigest"`
	Size       float64 `pulumi:"size"`
}

// Annotate documents the type.
func (m *Manifest) Annotate(an infer.Annotator) {
	an.Describe(m, "The image of one platform.")
	an.Describe(&m.Digest, "Digest of the manifest: `sha256:…`.")
	an.Describe(&m.RepoDigest, "The first repository with this digest: `host/repository@sha256:…`.")
	an.Describe(&m.Size, "Size of the configuration and the compressed layers, in bytes.")
}
