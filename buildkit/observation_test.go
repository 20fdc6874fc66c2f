package buildkit_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// observation is a project at one moment: our view of it and BuildKit's.
type observation struct {
	inputs  *inputs.Inputs
	built   bool
	record  record
	emptied bool // BuildKit's own client would have sent less
	all     bool // whole contexts by request
}

func judge(before, after observation, change, report string) verdict {
	if !after.built {
		return verdict{kind: kindSkipped}
	}
	difference := diff(before.record, after.record)
	hash := before.inputs.Hash() != after.inputs.Hash()
	switch {
	case difference == "" && !hash && change == "":
		return verdict{kind: kindUnchanged}
	case difference == "" && !hash:
		return verdict{kind: kindSame}
	case difference != "" && hash:
		return verdict{kind: kindDiffers}
	case difference != "":
		return verdict{
			kind: kindMissed, text: report + "BuildKit receives something else, the hash is the same:\n" + difference,
		}
	case before.all:
		return verdict{kind: kindNeedless + "watch all"}
	case !before.inputs.Certain || !after.inputs.Certain:
		return verdict{kind: kindNeedless + "the prediction is uncertain, whole contexts are hashed"}
	}
	return verdict{
		kind: kindFailed, text: report + "BuildKit receives the same, the hash differs:\n" + before.record.String(),
	}
}

// observe loads a project and builds it with BuildKit's own client. A project that the daemon refuses counts as not
// built. It returns an error if only this package refuses the project.
func (d differential) observe(ctx context.Context, p project) (observation, error) {
	r := newRecorder(p.sources())
	_, buildErr := d.c.Solve(ctx, nil, p.oracleOptions(r), nil)
	if ctx.Err() != nil {
		return observation{}, context.Cause(ctx)
	}
	inputs, err := inputs.Load(ctx, p.plan)
	if buildErr != nil {
		return observation{}, nil //nolint:nilerr // a Dockerfile that cannot be built is no case
	}
	if err != nil {
		return observation{}, fmt.Errorf("BuildKit builds it, but: %w", err)
	}
	received, err := r.record()
	return observation{
		inputs: inputs, built: true, record: received, emptied: r.hasEmptiedFile(), all: p.plan.WatchAll,
	}, err
}

// oracleOptions returns the options by which buildctl would build the project without any cache.
func (p project) oracleOptions(r *recorder) client.SolveOpt {
	options := map[string]string{"filename": "Dockerfile", "no-cache": ""}
	if len(p.plan.Platforms) > 0 {
		options["platform"] = strings.Join(p.plan.Platforms, ",")
	}
	if p.plan.Target != "" {
		options["target"] = p.plan.Target
	}
	for name, value := range p.plan.BuildArgs {
		options["build-arg:"+name] = value
	}
	for name := range p.plan.Files.Named {
		options["context:"+name] = "local:local-" + name
	}
	// Nothing can be pulled here, so the daemon's frontend serves a syntax line itself.
	options["cmdline"] = "docker/dockerfile:1"
	return client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: options,
		Session: []session.Attachable{r}, SharedKey: identity.NewID(),
	}
}

// render returns the whole project as text.
func (p project) render() string {
	text := ""
	for _, dir := range slices.Compact(slices.Sorted(maps.Values(p.sources()))) {
		text += filepath.Base(dir) + ":\n" + render(dir)
	}
	for _, file := range append(
		[]string{p.plan.Files.Dockerfile, p.plan.Files.Dockerfile + ".dockerignore"}, p.ignoreFiles()...,
	) {
		if content, err := os.ReadFile(file); err == nil {
			text += fmt.Sprintf("--- %s\n%s\n", strings.TrimPrefix(file, p.root), content)
		}
	}
	return text
}
