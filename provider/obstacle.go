package provider

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// obstaclesShown bounds the number of unknown inputs in a message.
const obstaclesShown = 5

// obstacle returns the reason why a preview cannot build, or "" if it can. bases are the base images that the build
// takes from the builder, because no registry has them yet. sure is false if the preview may build with other base
// images than the update.
func obstacle(
	ctx context.Context, op operation, promised promises, unpushed *unpushedImages,
) (reason string, bases []awaitedBase, sure bool) {
	if inputs := unknownBuildInputs(op.inputs); len(inputs) > 0 {
		return formatNames(inputs) + " not known yet", nil, true
	}
	if by, dest, ok := awaitedFile(op, promised); ok {
		path := printable(relativeToProgram(dest))
		return fmt.Sprintf("it reads %s, which the image %s of this update writes", path, by.resourceName()), nil, true
	}
	bases, sure = awaitedBases(ctx, op, promised)
	for i, base := range bases {
		if bases[i].images = unpushed.find(base.by.Digest); len(bases[i].images) == 0 {
			return base.reason(), nil, true
		}
	}
	unknown := slices.DeleteFunc(slices.Clone(computedInputs), func(key string) bool { return isKnown(op.inputs, key) })
	if len(unknown) > 0 {
		return formatNames(unknown) + " not known yet", nil, true
	}
	return "", bases, sure
}

// unknownBuildInputs returns the paths of the unknown values that a build needs.
func unknownBuildInputs(inputs property.Map) (paths []string) {
	for _, name := range buildInputs {
		if slices.Contains(computedInputs, name) {
			continue
		}
		for path, leaf := range flatten(name, inputs.Get(name)) {
			if leaf.IsComputed() {
				paths = append(paths, path)
			}
		}
	}
	return sortUnique(paths)
}

// formatNames returns a list of paths as the beginning of a sentence, with "is" or "are".
func formatNames(paths []string) string {
	switch more := len(paths) - obstaclesShown; {
	case len(paths) == 1:
		return printable(paths[0]) + " is"
	case more > 0:
		return fmt.Sprintf("%s and %d more are", strings.Join(paths[:obstaclesShown], ", "), more)
	}
	last := len(paths) - 1
	return strings.Join(paths[:last], ", ") + " and " + paths[last] + " are"
}

// relativeToProgram returns a path as the program would write it.
func relativeToProgram(path string) string {
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	if inside, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(inside) {
		return inside
	}
	return path
}

// awaitedFile returns the promise of another image to write a file or folder that the build needs, and the path that it
// writes.
func awaitedFile(op operation, promised promises) (by promise, dest string, ok bool) {
	files := op.plan.Files
	var paths []string
	if !isKnown(op.inputs, "contextHash") {
		paths = append(localContexts(files), files.Dockerfile)
	}
	for _, id := range slices.Sorted(maps.Keys(op.args.SecretSources)) {
		paths = append(paths, deref(op.args.SecretSources[id].File))
	}
	for _, agent := range op.args.SSH {
		paths = append(paths, agent.Paths...)
	}
	for _, path := range paths {
		if by, dest, ok = promised.byPath(path); ok && path != "" {
			return by, dest, true
		}
	}
	return promise{}, "", false
}
