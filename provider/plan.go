package provider

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// pushLimit returns pushTimeout, or its default.
func (a ImageArgs) pushLimit() time.Duration {
	if a.PushTimeout == nil {
		return pushLimit
	}
	return time.Duration(*a.PushTimeout) * time.Second
}

// stallTimeout returns how long a registry may be silent during a push: two fifths of pushTimeout, and at least 2
// minutes.
//
// A registry may take long to put a very large layer into its storage.
func (a ImageArgs) stallTimeout() time.Duration {
	return max(pushLimit, a.pushLimit()) * 2 / 5
}

// plan returns what to build. The image will be pushed to the repositories.
func (a ImageArgs) plan(repositories []string) inputs.Plan {
	return inputs.Plan{
		Files:        a.files(),
		WatchAll:     deref(a.Watch) == WatchAll,
		Pull:         deref(a.Pull),
		Platforms:    sortUnique(normalizePlatforms(a.Platforms)), // their order would change the digest of the index
		Target:       deref(a.Target),
		BuildArgs:    a.BuildArgs,
		Labels:       a.Labels,
		Annotations:  a.Annotations,
		TestTargets:  a.TestTargets,
		Network:      a.network(),
		Hosts:        a.hosts(),
		NoCache:      deref(a.NoCache),
		NoCacheOf:    a.NoCacheFilter,
		Allow:        sortUnique(a.Allow),
		Limits:       a.Limits.plan(),
		Epoch:        a.epoch(),
		Provenance:   a.provenance(),
		SBOM:         a.sbom(),
		ImageOptions: imageOptions(a),
		BaseDigests:  a.baseDigests(),
		Repositories: repositories,
	}
}

// contextDir returns the location of the main build context. A folder that exists comes first, then a remote location.
func (a ImageArgs) contextDir() string {
	if a.Context == nil || a.Context.Location == nil || *a.Context.Location == "" {
		return "."
	}
	return inputs.LocateContext(*a.Context.Location)
}

// files returns where the Dockerfile and the build contexts are.
func (a ImageArgs) files() inputs.Files {
	f := inputs.Files{Context: a.contextDir(), Named: map[string]string{}, Project: projectFolder()}
	switch {
	case a.Dockerfile != nil && a.Dockerfile.Inline != nil:
		f.Inline = []byte(*a.Dockerfile.Inline)
	case a.namesDockerfile() && inputs.IsDockerfileURL(*a.Dockerfile.Location):
		f.DockerfileURL = *a.Dockerfile.Location
	case a.namesDockerfile() && inputs.IsRemote(f.Context) && !filepath.IsAbs(*a.Dockerfile.Location):
		f.RemoteDockerfile = path.Clean(filepath.ToSlash(*a.Dockerfile.Location))
	case a.namesDockerfile():
		f.Dockerfile = inputs.FindDockerfile(*a.Dockerfile.Location)
	case !inputs.IsRemote(f.Context):
		f.Dockerfile = inputs.FindDockerfile(filepath.Join(f.Context, "Dockerfile"))
	}
	if a.Context != nil {
		for name, named := range a.Context.Named {
			f.Named[name] = named.Location
		}
	}
	return f
}

// namesDockerfile tells whether the program says where the Dockerfile is.
func (a ImageArgs) namesDockerfile() bool {
	return a.Dockerfile != nil && deref(a.Dockerfile.Location) != ""
}

// dockerfilePath returns the path of the input that says where the Dockerfile is.
func (a ImageArgs) dockerfilePath() string {
	if a.Dockerfile != nil && a.Dockerfile.Inline != nil {
		return "dockerfile.inline"
	}
	return "dockerfile.location"
}

// baseDigests returns the given digests of base images by canonical reference.
func (a ImageArgs) baseDigests() map[string]string {
	digests := map[string]string{}
	for ref, digest := range a.BaseDigests {
		if canonical, err := inputs.BaseName(ref); err == nil {
			digests[canonical] = digest
		}
	}
	return digests
}

// varies tells whether building the same inputs twice makes two different images. A preview then cannot know the digest
// of the update.
func (a ImageArgs) varies() bool {
	return a.Provenance != nil || a.SBOM != nil || deref(a.NoCache) || len(a.NoCacheFilter) > 0
}

// hasInlineCache tells whether the image holds its own build cache. That depends on what else the builder has in its
// cache at the time, so a preview cannot know the digest of the update.
func (op operation) hasInlineCache() bool {
	_, to, _ := caches(op.args)
	isInline := func(c buildkit.Cache) bool { return c.Type == "inline" }
	return op.plan.HasInlineCache() || slices.ContainsFunc(to, isInline)
}

func (a ImageArgs) epoch() *int64 {
	if a.SourceDateEpoch == nil {
		return nil
	}
	seconds := int64(*a.SourceDateEpoch)
	return &seconds
}

func (a ImageArgs) provenance() string {
	if a.Provenance == nil {
		return ""
	}
	return string(a.Provenance.Mode)
}

func (a ImageArgs) sbom() string {
	if a.SBOM == nil {
		return ""
	}
	return a.SBOM.Generator
}

// hosts returns the valid hosts. Check refuses the others.
func (a ImageArgs) hosts() []inputs.Host {
	var hosts []inputs.Host
	for _, s := range a.AddHosts {
		if parsed, err := parseHosts(s); err == nil {
			hosts = append(hosts, parsed...)
		}
	}
	return hosts
}

// network returns BuildKit's name of the network, or "" for the builder's default.
func (a ImageArgs) network() string {
	if mode := deref(a.Network); mode != NetworkDefault {
		return string(mode)
	}
	return ""
}

// withComputedInputs returns the inputs with the contextHash and the baseDigests that Check computed.
func (a ImageArgs) withComputedInputs(inputs property.Map) ImageArgs {
	if hash := text(inputs, "contextHash"); hash != "" {
		a.ContextHash = &hash
	}
	if bases := inputs.Get("baseDigests"); bases.IsMap() {
		a.BaseDigests = map[string]string{}
		for ref := range bases.AsMap().All {
			a.BaseDigests[ref] = text(bases.AsMap(), ref)
		}
	}
	return a
}

// lastingArgs returns the build arguments whose change is a reason to build.
func (a ImageArgs) lastingArgs() map[string]string {
	lasting := maps.Clone(a.BuildArgs)
	maps.DeleteFunc(lasting, func(name, _ string) bool { return slices.Contains(a.VolatileArgs, name) })
	return lasting
}

// pushesByDigest tells whether the image is pushed and gets no tag.
func (a ImageArgs) pushesByDigest() bool { return a.hasImageOption(pushByDigestOption) }

// hasImageOption tells whether an export of the image turns an option on.
func (a ImageArgs) hasImageOption(name string) bool {
	return slices.ContainsFunc(enabledExports(a), func(e export) bool { return e.isImage() && e.options.isOn(name) })
}
