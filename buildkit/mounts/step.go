package mounts

import (
	"context"
	"strconv"

	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
)

// HelperSource is the name of the local source with the program of the steps.
const HelperSource = "pulumi-buildkit-mounts"

// Platform is the one that the images of cache mounts name. Caches have no platform: those of a Dockerfile without
// TARGETARCH in the id are shared by all.
var Platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// Step is a step on a cache mount. It runs on the platform of the builder, whatever the mount is for.
type Step struct {
	Mount   Mount
	Action  string // of package folder
	Session string // serves the program
	// Nonce differs for any two steps, so that each one runs. A step that ignores the build cache instead would be
	// given a new, empty mount.
	Nonce    string
	MaxSize  int64
	From     string   // the reference of the image to restore
	Secrets  []string // the ids of secrets that must not travel
	Platform ocispecs.Platform
}

// Marshal returns the definition of the folder that the step makes.
func (s Step) Marshal(ctx context.Context) (*llb.Definition, error) {
	root := s.root()
	m := s.Mount
	cache := llb.AsPersistentCacheDir(m.ID, m.sharing)
	// The content of these mounts is no part of a cache key: no other step has this nonce.
	uncached := llb.ContentCache(llb.MountContentCacheOff)
	options := []llb.RunOption{
		llb.Args([]string{"/" + folder.Program, s.Action, s.Nonce, strconv.FormatInt(s.MaxSize, 10)}),
		llb.Network(llb.NetModeNone),
		llb.ReadonlyRootFS(),
		llb.WithCustomName("[internal] " + s.Action + " cache mount " + m.Name()),
		llb.AddMount(folder.CacheFolder, m.base, append(m.fromSource(), uncached, cache)...),
	}
	if m.HasBase {
		base := append(m.fromSource(), llb.Readonly, uncached)
		options = append(options, llb.AddMount(folder.BaseFolder, m.base, base...))
	}
	if s.From != "" {
		image := llb.Image(s.From, llb.Platform(Platform), llb.WithCustomName("[internal] load cache mount "+m.Name()))
		options = append(options, llb.AddMount(folder.FromFolder, image, llb.Readonly, uncached))
	}
	for i, id := range s.Secrets {
		options = append(options, llb.AddSecret(folder.SecretsFolder+"/"+strconv.Itoa(i), llb.SecretID(id)))
	}
	out := root.Run(options...).AddMount(folder.OutFolder, llb.Scratch())
	return out.Marshal(ctx, llb.Platform(s.Platform))
}

// root returns the root of the step: its program.
func (s Step) root() llb.State {
	helper := llb.Local(HelperSource, llb.SessionID(s.Session), llb.SharedKeyHint(HelperSource),
		llb.WithCustomName("[internal] load "+HelperSource))
	return llb.Scratch().File(
		llb.Copy(helper, folder.Program, "/", &llb.CopyInfo{Mode: &llb.ChmodOpt{Mode: 0o755}}),
		llb.WithCustomName("[internal] copy "+HelperSource),
	)
}

// MarshalInputs returns the definitions of what the step needs.
func (s Step) MarshalInputs(ctx context.Context) (all []*llb.Definition, err error) {
	for _, state := range []llb.State{s.root(), s.Mount.base} {
		definition, err := state.Marshal(ctx, llb.Platform(s.Platform))
		if err != nil {
			return nil, err
		}
		if len(definition.Def) > 0 { // else it is scratch
			all = append(all, definition)
		}
	}
	return all, nil
}

// fromSource returns the option that takes a folder of the base.
func (m Mount) fromSource() []llb.MountOption {
	if m.source == "" {
		return nil
	}
	return []llb.MountOption{llb.SourcePath(m.source)}
}
