//go:build linux

package reliability

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// judge compares what a case leaves behind with the promises.
type judge struct {
	ctx    context.Context
	world  *world
	step   step // the last command
	old    *snapshot
	fault  string
	hit    string
	broken []string

	earlier []requestLine // of the command with the fault
}

// violate notes a broken promise.
func (j *judge) violate(promise, format string, args ...any) {
	j.broken = append(j.broken, promise+": "+fmt.Sprintf(format, args...))
}

// afterFault judges the world after the command that a fault happened to.
func (j *judge) afterFault(out outcome) {
	tags, err := j.world.tags(j.ctx)
	if err != nil {
		j.violate("harness", "%v", err)
		return
	}
	for tag, digest := range tags {
		if digest != j.old.before[tag] && !j.isNew(tag, digest) {
			j.violate("a tag points at the old or the new image", "%s holds %s", tag, digest)
		}
	}
	for tag := range j.old.before {
		if tags[tag] == "" && j.step.command != destroy {
			j.violate("a tag points at the old or the new image", "%s is gone", tag)
		}
	}
	if !out.killed {
		j.checkState("after the fault", tags)
	}
	if out.err == nil {
		j.checkEnd("after a fault that the command survived", tags)
	}
	j.checkMessage(out)
	j.checkProcesses("after the fault")
	if !out.killed { // the next command removes what a killed one was writing
		j.checkLeftovers("after the fault")
	}
}

// afterRepeat judges the world after the next command, without a fault. held are the blobs before it.
func (j *judge) afterRepeat(first, second outcome, held map[repositoryBlob]bool) {
	if second.err != nil {
		j.violate("the next command succeeds", "%v", second.err)
		return
	}
	tags, err := j.world.tags(j.ctx)
	if err != nil {
		j.violate("harness", "%v", err)
		return
	}
	j.checkState("after the next command", tags)
	j.checkEnd("after the next command", tags)
	j.checkProcesses("after the next command")
	j.checkLeftovers("after the next command")
	j.checkWork(first, second, held)
}

// isNew tells whether digest is the whole image that the last command makes.
func (j *judge) isNew(tag, digest string) bool {
	if j.step.command != up {
		return false
	}
	ref, err := j.world.reference("app@" + digest)
	if err != nil {
		return false
	}
	index, err := remote.Index(ref, remote.WithContext(j.ctx))
	if err == nil {
		err = validate.Index(index)
	}
	if err == nil {
		err = j.checkContent(index)
	}
	if err != nil {
		j.violate("the new image is whole", "%s holds %s: %v", tag, digest, err)
	}
	return err == nil
}

// checkContent returns an error if the index is not of the content of the last command.
func (j *judge) checkContent(index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	var got []string
	for _, m := range manifest.Manifests {
		got = append(got, m.Platform.String())
		if j.step.kind == "Index" {
			continue
		}
		image, err := index.Image(m.Digest)
		if err != nil {
			return err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return err
		}
		if content := config.Config.Labels["content"]; content != j.step.content {
			return fmt.Errorf("%s is of content %q and not %q", m.Platform, content, j.step.content)
		}
	}
	if content := manifest.Annotations["content"]; j.step.kind == "Index" && content != j.step.content {
		return fmt.Errorf("it is of content %q and not %q", content, j.step.content)
	}
	if !slices.Equal(got, platforms) {
		return fmt.Errorf("it is for %v and not for %v", got, platforms)
	}
	return nil
}

// checkState checks that each tag that the state names holds the digest of the state.
func (j *judge) checkState(when string, tags map[string]string) {
	e := j.world.state
	if e == nil {
		return
	}
	if e.id == "" || e.digest() == "" {
		j.violate("the state loads", "%s it has id %q and digest %q", when, e.id, e.digest())
	}
	for _, ref := range e.tags() {
		tag := strings.TrimPrefix(ref, j.world.point.Host+"/app:")
		removed := j.step.command == destroy && tags[tag] == "" // a failed Delete changes no state
		if tags[tag] != e.digest() && !removed {
			j.violate("the state is true", "%s it says that %s holds %s; it holds %q", when, tag, e.digest(), tags[tag])
		}
	}
}

// checkEnd checks the state and the tags after a command that succeeded.
func (j *judge) checkEnd(when string, tags map[string]string) {
	e := j.world.state
	if j.step.command == destroy {
		if len(tags) > 0 || e != nil {
			j.violate("the command ends in the right state", "%s tags %v are left, and the state is %v", when, tags, e)
		}
		return
	}
	want := imageTags
	if j.step.kind == "Index" {
		want = []string{indexTag}
	}
	if e == nil || e.incomplete || !slices.Equal(slices.Sorted(maps.Keys(tags)), want) {
		j.violate("the command ends in the right state", "%s the tags are %v, and the state is %+v", when, tags, e)
		return
	}
	for tag, digest := range tags {
		right := digest == j.old.before[tag]
		if j.step.command == up {
			right = j.isNew(tag, digest)
		}
		if !right || digest != e.digest() {
			j.violate("the command ends in the right state", "%s %s holds %s, and the state says %s", when, tag, digest,
				e.digest())
		}
	}
}

// checkProcesses checks that no process of the command is left.
func (j *judge) checkProcesses(when string) {
	if left := j.world.plugins(); len(left) > 0 {
		j.violate("no process stays", "%s %v", when, left)
	}
}

// checkLeftovers checks that no temporary file of the command is left.
func (j *judge) checkLeftovers(when string) {
	for _, folder := range folders {
		root := filepath.Join(j.world.root, folder)
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil // it is gone by now
			}
			temporary := folder == "tmp" || strings.HasPrefix(entry.Name(), ".new-")
			if temporary && !entry.IsDir() {
				j.violate("no temporary file stays", "%s %s", when, path)
			}
			return nil
		})
	}
}
