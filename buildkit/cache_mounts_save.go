package buildkit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// SaveMounts saves the cache mounts of a build that Solve has just finished on the daemon. The plan, the inputs and the
// access are those of that build. It saves a mount only if its content is not the one that is stored. Each mount is one
// image, which replaces the one before when it is whole: of two builders that save at the same time, the last one wins.
//
// The mounts are those of the definition that is built, so the frontend runs once more. No step of the build runs.
//
// It returns what became of each mount. A mount that needs nothing has neither Done nor Err. Errors are those of Solve,
// and the cause of ctx if it ended.
func SaveMounts(
	ctx context.Context, plan inputs.Plan, in *inputs.Inputs, access Access, report func(Event),
) ([]MountResult, error) {
	return rescue.Value(func() ([]MountResult, error) {
		m, err := newMountSolver(ctx, plan, in, access, report)
		if err != nil {
			return nil, err
		}
		defer m.close(ctx)
		return m.solve(ctx, nil, m.saveAll)
	})
}

// saveAll saves the mounts of the build, one after the other.
func (m *mountSolver) saveAll(
	ctx context.Context, s *solve, c gateway.Client,
) (*gateway.Result, []MountResult, error) {
	found, err := s.findMounts(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	var results []MountResult
	for _, mount := range m.choose(found) {
		result := m.save(ctx, c, mount)
		result.Name, result.Saving = mount.Name(), true
		results = append(results, result)
		if ctx.Err() != nil {
			break
		}
	}
	return gateway.NewResult(), results, nil
}

// findMounts runs the frontend for every target of the plan and returns their cache mounts. It runs no step.
func (s *solve) findMounts(ctx context.Context, c gateway.Client) (map[string]mounts.Mount, error) {
	collector := &mountCollector{}
	f := s.newFrontend(c)
	f.mounts, f.muteWarnings = collector, true
	for _, target := range append([]string{""}, s.plan.TestTargets...) {
		options := plainOptions(c.BuildOpts().Opts)
		if target != "" {
			options["target"] = target
		}
		if _, err := f.run(ctx, options); err != nil {
			return nil, err
		}
	}
	return collector.take(), collector.err
}

// save saves a mount if its content is not the one that is stored. A build that holds the mount saves it itself.
func (m *mountSolver) save(ctx context.Context, c gateway.Client, mount mounts.Mount) MountResult {
	start := time.Now()
	seen, err := m.look(ctx, c, mount)
	if errors.As(err, new(*HeldMountError)) {
		return MountResult{}
	}
	if err != nil || seen.Empty { // an empty mount must not replace what is stored
		return MountResult{Err: err}
	}
	tag := mount.Tag(seen.Base) + m.Suffix
	ref := m.Repository + ":" + tag
	stored, err := m.Find(ctx, tag)
	if err != nil && !errors.Is(err, ErrNoStoredMount) {
		return MountResult{Ref: ref, Err: err}
	}
	if stored.Annotations[mountDigestAnnotation] == seen.Digest || err == nil && m.wasHeld(mount) {
		return MountResult{Ref: ref}
	}
	result := m.push(ctx, ref, mount)
	for try := 1; try < packTries && errors.Is(result.Err, ErrNewSecrets); try++ {
		result = m.push(ctx, ref, mount)
	}
	result.Ref, result.Done, result.Took = ref, result.Err == nil, time.Since(start)
	return result
}

// packTries is how often a mount is packed, because each time another build was given a secret meanwhile.
const packTries = 5

// ErrNewSecrets says that builds were given secrets while a mount was packed, so it may hold them. It is not pushed.
var ErrNewSecrets = errors.New("other builds were given new secrets, which it may hold")

// push packs a mount and pushes its image. The error of the result is ErrNewSecrets if it must be packed again.
func (m *mountSolver) push(ctx context.Context, ref string, mount mounts.Mount) MountResult {
	secrets := m.allSecrets()
	results, err := m.solveWith(ctx, secrets, m.export(ref, mount), m.pack(mount, secrets))
	if len(results) == 0 {
		return MountResult{Err: err}
	}
	results[0].Err = cmp.Or(results[0].Err, err)
	return results[0]
}

// allSecrets returns the secrets that must not travel, by id: those of the build and of all others.
func (m *mountSolver) allSecrets() map[string]Secret {
	all := map[string]Secret{}
	maps.Copy(all, m.access.Secrets)
	if m.Secrets == nil {
		return all
	}
	for i, value := range m.Secrets() {
		all[m.nonce+"-"+strconv.Itoa(i)] = func(context.Context) ([]byte, error) { return value, nil }
	}
	return all
}

// pack returns the frontend that makes the image of a mount without files that hold one of the secrets. It returns
// ErrNewSecrets if there are further ones by the end.
func (m *mountSolver) pack(
	mount mounts.Mount, secrets map[string]Secret,
) func(context.Context, *solve, gateway.Client) (*gateway.Result, []MountResult, error) {
	return func(ctx context.Context, _ *solve, c gateway.Client) (*gateway.Result, []MountResult, error) {
		step := mounts.Step{Mount: mount, Action: folder.SaveAction, Secrets: slices.Sorted(maps.Keys(secrets))}
		made, report, err := m.step(ctx, c, step)
		if err == nil && len(m.allSecrets()) > len(secrets) {
			err = ErrNewSecrets
		}
		if err != nil {
			return nil, []MountResult{{Err: err}}, err
		}
		config, err := json.Marshal(ocispecs.Image{Platform: mounts.Platform})
		if err != nil {
			return nil, nil, err
		}
		made.AddMeta(exptypes.ExporterImageConfigKey, config)
		made.AddMeta(exptypes.AnnotationManifestKey(nil, mountDigestAnnotation), []byte(report.Digest))
		return made, []MountResult{newMountResult(mount, report)}, nil
	}
}

// export returns the export that pushes the image of a mount.
func (m *mountSolver) export(ref string, mount mounts.Mount) *client.ExportEntry {
	options := map[string]string{
		"name": ref, "push": "true", "store": "false", "oci-mediatypes": "true", "oci-artifact": "false",
		compressionOption: "zstd", forceCompressionOption: "true",
		exptypes.AnnotationManifestKey(nil, mountIDAnnotation): mount.ID,
	}
	if m.Insecure {
		options["registry.insecure"] = "true"
	}
	return &client.ExportEntry{Type: client.ExporterImage, Attrs: options}
}
