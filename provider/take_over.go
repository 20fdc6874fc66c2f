package provider

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	buildinputs "github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/dockerbuild"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// An image that docker-build made is taken over as it is. An alias makes the engine hand us its state.
//
// Check notes docker-build's own hash of the files in the inputs, so that Diff needs no disk. Diff and Update compare
// the state with the inputs after takeOver has put it into our terms. If everything is equal, Update finds the image in
// the registry, writes our outputs and builds nothing.

// takeOverKey holds, in the inputs, docker-build's hash of the files. Only the Check that first meets a state of
// docker-build sets it. The engine keeps keys that begin with __ out of diffs and off the screen.
const takeOverKey = "__dockerBuildHash"

// fillDockerBuildHash notes docker-build's hash of the files if the old inputs are those of docker-build. If the hash
// cannot be computed, it notes nothing, and the image is built.
func fillDockerBuildHash(ctx context.Context, req p.CheckRequest, res *p.CheckResponse) {
	if !hasDockerBuildInputs(req.State) {
		return
	}
	hash, err := dockerbuild.Hash(ctx, dockerBuildFiles(req.State))
	if err != nil {
		newDebugLog(ctx).Debug("docker-build's hash of the files cannot be computed", "error", err)
		return
	}
	res.Inputs = res.Inputs.Set(takeOverKey, property.New(hash))
}

// hasDockerBuildInputs tells whether docker-build's Check made the inputs. It always sets push and a Dockerfile, and
// never contextHash, which is an output of docker-build.
func hasDockerBuildInputs(inputs property.Map) bool {
	return inputs.Get("contextHash").IsNull() && !inputs.Get("push").IsNull() && inputs.Get("dockerfile").IsMap()
}

// dockerBuildFiles returns where docker-build read the files of an image.
func dockerBuildFiles(inputs property.Map) dockerbuild.Files {
	files := dockerbuild.Files{Dockerfile: member(inputs, "dockerfile", "location"), Context: contextLocation(inputs)}
	if context := inputs.Get("context"); context.IsMap() && context.AsMap().Get("named").IsMap() {
		files.Named = map[string]string{}
		for name := range context.AsMap().Get("named").AsMap().All {
			files.Named[name] = member(context.AsMap().Get("named").AsMap(), name, "location")
		}
	}
	return files
}

// contextLocation returns the location of the main context. The default is the folder of the program.
func contextLocation(inputs property.Map) string {
	if location := member(inputs, "context", "location"); location != "" {
		return location
	}
	return "."
}

// member returns a string in an object of the inputs, or "".
func member(inputs property.Map, object, name string) string {
	if v := inputs.Get(object); v.IsMap() {
		return text(v.AsMap(), name)
	}
	return ""
}

// isDockerBuildState tells whether docker-build wrote the outputs. It always stores a Dockerfile; ours always have
// refs.
func isDockerBuildState(outputs property.Map) bool {
	return outputs.Get("dockerfile").IsMap() && outputs.Get("refs").IsNull()
}

// takeOver returns the outputs of docker-build as ours would be for the same image: contextHash and exports are those
// of the inputs if they mean the same. It returns other outputs as they are.
func takeOver(outputs, inputs property.Map) property.Map {
	if !isDockerBuildState(outputs) {
		return outputs
	}
	if text(inputs, takeOverKey) == text(outputs, "contextHash") && readsSameFiles(outputs, inputs) {
		outputs = outputs.Set("contextHash", inputs.Get("contextHash"))
	}
	applied := reduceExports(outputs.Get("exports"), isDockerBuildDefault)
	if applied.Equals(reduceExports(inputs.Get("exports"), isDockerBuildDefault)) {
		outputs = outputs.Set("exports", inputs.Get("exports"))
	}
	return outputs
}

// readsSameFiles tells whether the program still names the Dockerfile and contexts of the state. docker-build's hash
// covers neither the text of an inline Dockerfile nor the location of a remote context.
//
// Nor does it cover a Dockerfile at a URL, so nobody knows whether that is still the one that was built.
func readsSameFiles(outputs, inputs property.Map) bool {
	before, now := dockerBuildFiles(outputs), dockerBuildFiles(inputs)
	if buildinputs.IsDockerfileURL(now.Dockerfile) {
		return false
	}
	if now.Dockerfile == "" && member(inputs, "dockerfile", "inline") == "" && !buildinputs.IsRemote(now.Context) {
		now.Dockerfile = filepath.Join(now.Context, "Dockerfile")
	}
	return slices.Equal(cleanPaths(before), cleanPaths(now)) &&
		member(outputs, "dockerfile", "inline") == member(inputs, "dockerfile", "inline")
}

// cleanPaths returns the names and locations of files. Local paths have no detours.
func cleanPaths(files dockerbuild.Files) []string {
	clean := func(location string) string {
		if buildinputs.IsRemoteNamedContext(location) || buildinputs.IsRemote(location) {
			return location
		}
		return filepath.Clean(location)
	}
	paths := []string{clean(files.Dockerfile), clean(files.Context)}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		paths = append(paths, name, clean(files.Named[name]))
	}
	return paths
}

// lostTags returns the tags of docker-build's image that hold something else by now, or that are gone, and warns of
// each. An image that is taken over as it is moves no tag, so they are left out of the outputs: the next update shows
// them as a difference.
func lostTags(ctx context.Context, op operation) (lost []registry.Tag, err error) {
	for _, given := range texts(op.old.outputs, "tags") {
		tag, err := tagFor(given, op.hash)
		if err != nil || !slices.Contains(op.tags.list, tag) {
			continue
		}
		digest, err := op.client.Resolve(ctx, tag)
		switch {
		case errors.Is(err, fault.ErrNotFound):
			loggerOf(ctx).warnf("%s is gone from the registry. It is left so now; the next update sets it", tag)
		case err != nil && !errors.Is(err, fault.ErrArchived):
			return nil, err
		case digest != op.old.digest:
			loggerOf(ctx).warnf("%s holds another image than docker-build pushed, %s. It is left so now; the next "+
				"update moves it to the image of this program", tag, digest)
		default:
			continue
		}
		lost = append(lost, tag)
	}
	return lost, nil
}

// logTakeOver logs whether the image of docker-build is taken over as it is, and why not.
func logTakeOver(ctx context.Context, op operation, isTaken bool) {
	switch changed := op.changedInputs(); {
	case !op.takesOver:
	case isTaken:
		loggerOf(ctx).infof("taken over from docker-build as it is: nothing is built")
	case len(changed) > 0:
		loggerOf(ctx).infof("the image of docker-build is not taken over as it is: %s changed",
			strings.Join(changed, ", "))
	default:
		loggerOf(ctx).infof("the image of docker-build is not taken over as it is: a repository does not have it")
	}
}
