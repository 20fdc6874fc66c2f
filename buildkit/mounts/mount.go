// Package mounts knows the cache mounts of a build, and the steps that restore and save them.
//
// BuildKit has no way to read or write a cache mount but a step that mounts it. A step gets the same folder as the
// steps of a Dockerfile if its mount has the same id, sharing and base. So these are taken from the definition that is
// built, and never computed.
//
//	Find    returns the cache mounts of a definition (mount.go)
//	Step    is a step on one of them (step.go)
//	folder  is what such a step does
package mounts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// Mount is a cache mount of a build. Several steps may have it, for several platforms.
type Mount struct {
	ID      string // with its namespace, as BuildKit has it
	Key     string // differs for any two mounts of a build
	Fresh   bool   // a step ignores the build cache: BuildKit then gives it an empty mount
	HasBase bool   // it starts with the content of a stage, an image or a folder with an owner
	// Runs: it starts with what steps have made. To look into such a mount would run them before the build, without
	// its cache imports, and what they make may differ from what the build would take from a cache.
	Runs     bool
	IsLocked bool // a step waits until no other one has it
	sharing  llb.CacheMountSharingMode
	base     llb.State
	source   string // the folder of the base that it starts with
}

// Name returns the id as a Dockerfile has it, without the namespace.
func (m Mount) Name() string {
	_, name, ok := strings.Cut(m.ID, "/") // as BuildKit itself tells them apart
	if !ok {
		return m.ID
	}
	return name
}

// Find returns the cache mounts of a definition by their keys. It returns an error for a definition that BuildKit
// would not take either.
func Find(def *pb.Definition) (map[string]Mount, error) {
	found := map[string]Mount{}
	for _, data := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			return nil, err
		}
		if op.GetPlatform().GetOS() == "windows" {
			continue // the steps that restore and save are programs for Linux
		}
		fresh := def.GetMetadata()[string(digest.FromBytes(data))].GetIgnoreCache()
		for _, m := range op.GetExec().GetMounts() {
			if m.GetMountType() != pb.MountType_CACHE {
				continue
			}
			mount, err := newMount(def, &op, m)
			if err != nil {
				return nil, err
			}
			mount.Fresh = fresh || found[mount.Key].Fresh
			found[mount.Key] = mount
		}
	}
	return found, nil
}

// sharings are BuildKit's ways to share a mount.
var sharings = map[pb.CacheSharingOpt]llb.CacheMountSharingMode{
	pb.CacheSharingOpt_SHARED:  llb.CacheMountShared,
	pb.CacheSharingOpt_PRIVATE: llb.CacheMountPrivate,
	pb.CacheSharingOpt_LOCKED:  llb.CacheMountLocked,
}

// newMount returns a cache mount of a step.
func newMount(def *pb.Definition, step *pb.Op, m *pb.Mount) (Mount, error) {
	mount := Mount{
		ID: cmp.Or(m.GetCacheOpt().GetID(), m.GetDest()), sharing: sharings[m.GetCacheOpt().GetSharing()],
		source: m.GetSelector(), base: llb.Scratch(),
		IsLocked: m.GetCacheOpt().GetSharing() == pb.CacheSharingOpt_LOCKED,
	}
	mount.Key = fmt.Sprintf("%q %q", mount.ID, mount.source)
	if m.GetInput() < 0 {
		return mount, nil
	}
	if int(m.GetInput()) >= len(step.GetInputs()) {
		return Mount{}, fmt.Errorf("the mount %s has no input %d", m.GetDest(), m.GetInput())
	}
	input := step.GetInputs()[m.GetInput()]
	base, err := stateOf(def, input)
	if err != nil {
		return Mount{}, err
	}
	mount.HasBase, mount.base, mount.Runs = true, base, runsSteps(def, input)
	mount.Key += fmt.Sprintf(" %s %d", input.GetDigest(), input.GetIndex())
	return mount, nil
}

// runsSteps reports whether a result needs anything but images and changes of files.
func runsSteps(def *pb.Definition, input *pb.Input) bool {
	steps := map[string]*pb.Op{}
	for _, data := range def.GetDef() {
		var op pb.Op
		if op.UnmarshalVT(data) == nil { // Find refuses the others
			steps[string(digest.FromBytes(data))] = &op
		}
	}
	seen := map[string]bool{}
	for todo := []string{input.GetDigest()}; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		op := steps[name]
		isImage := strings.HasPrefix(op.GetSource().GetIdentifier(), "docker-image://")
		if !isImage && op.GetFile() == nil {
			return true
		}
		for _, in := range op.GetInputs() {
			if !seen[in.GetDigest()] {
				seen[in.GetDigest()] = true
				todo = append(todo, in.GetDigest())
			}
		}
	}
	return false
}

// stateOf returns a result in a definition as a state. Its steps keep their digests, so the daemon has their results.
func stateOf(def *pb.Definition, input *pb.Input) (llb.State, error) {
	last, err := (&pb.Op{Inputs: []*pb.Input{input}}).MarshalVT()
	if err != nil {
		return llb.State{}, err
	}
	part := &pb.Definition{Def: append(def.GetDef()[:len(def.GetDef()):len(def.GetDef())], last)}
	part.Metadata = maps.Clone(def.GetMetadata())
	if part.Metadata == nil {
		part.Metadata = map[string]*pb.OpMetadata{}
	}
	for _, data := range def.GetDef() {
		if name := string(digest.FromBytes(data)); part.Metadata[name] == nil {
			part.Metadata[name] = &pb.OpMetadata{}
		}
	}
	op, err := llb.NewDefinitionOp(part)
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op.Output()), nil
}

// unreadable matches what a tag cannot have.
var unreadable = regexp.MustCompile(`[^A-Za-z0-9]+`)

// Tag returns the tag of the image that holds the mount. base is the digest of what the mount starts with. BuildKit
// too keeps mounts apart that start with something else.
func (m Mount) Tag(base string) string {
	h := sha256.New()
	for _, field := range []string{"cache mount v1", m.ID, m.source, base} {
		canon.WriteField(h, []byte(field))
	}
	name := strings.Trim(unreadable.ReplaceAllString(m.Name(), "-"), "-")
	name = strings.Trim(name[:min(len(name), 40)], "-")
	return strings.TrimPrefix(name+"-"+hex.EncodeToString(h.Sum(nil)), "-")
}
