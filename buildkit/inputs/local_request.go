package inputs

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// localRequest is one local source in a definition. A definition is a build in the format of BuildKit (LLB).
type localRequest struct {
	name  string // of the source
	paths pathSet
	uses  []source.Use // of what the source holds; nil: of all of it
	// internal is true when the frontend itself reads: the Dockerfile or an ignore file, which are sent apart.
	internal bool
}

// localRequests returns the local sources of a definition.
func localRequests(def *pb.Definition) ([]localRequest, error) {
	ops := make([]*pb.Op, len(def.GetDef()))
	for i, data := range def.GetDef() {
		ops[i] = new(pb.Op)
		if err := ops[i].UnmarshalVT(data); err != nil {
			return nil, err
		}
	}
	var requests []localRequest
	for i, data := range def.GetDef() {
		request, isLocal, err := localRequestOf(ops[i])
		if err != nil {
			return nil, err
		}
		if isLocal {
			request.uses = usesOf(digest.FromBytes(data), ops)
			requests = append(requests, request)
		}
	}
	return requests, nil
}

// localRequestOf converts an operation to a request without uses. It returns false if the operation is not a local
// source.
func localRequestOf(op *pb.Op) (request localRequest, isLocal bool, err error) {
	name, isLocal := strings.CutPrefix(op.GetSource().GetIdentifier(), "local://")
	if !isLocal {
		return localRequest{}, false, nil
	}
	r := localRequest{name: name}
	attributes := op.GetSource().GetAttrs()
	if paths := attributes[pb.AttrFollowPaths]; paths != "" {
		if err := json.Unmarshal([]byte(paths), &r.paths); err != nil {
			return r, true, fmt.Errorf("the paths of the local source %s: %w", name, err)
		}
	}
	r.internal = name == dockerfileSource || strings.HasSuffix(attributes[pb.AttrSharedKeyHint], "-"+ignoreFile)
	return r, true, nil
}

// usesOf returns how a definition uses the source with this digest. It returns nil when the definition uses all of it,
// or uses it in a way that this package does not know.
func usesOf(local digest.Digest, ops []*pb.Op) []source.Use {
	var all []source.Use
	for _, op := range ops {
		for i, input := range op.GetInputs() {
			if input.GetDigest() != local.String() {
				continue
			}
			uses := opUses(op, int64(i))
			if uses == nil {
				return nil
			}
			all = append(all, uses...)
		}
	}
	return all
}

// opUses returns how an operation uses its input with this number, or nil as usesOf does.
func opUses(op *pb.Op, input int64) []source.Use {
	if file := op.GetFile(); file != nil {
		return fileUses(file, input)
	}
	return mountUses(op.GetExec(), input)
}

// fileUses returns what the COPY and ADD instructions of an operation copy from an input.
func fileUses(op *pb.FileOp, input int64) (uses []source.Use) {
	for _, action := range op.GetActions() {
		c := action.GetCopy()
		if action.GetInput() == input || takesOwner(action, input) {
			return nil
		}
		if action.GetSecondaryInput() != input {
			continue
		}
		if c == nil || !c.GetFollowSymlink() || !c.GetAllowWildcard() { // COPY and ADD of a Dockerfile always do both
			return nil
		}
		uses = append(uses, source.Use{
			Path: c.GetSrc(), Wildcards: true, Includes: c.GetIncludePatterns(), Excludes: c.GetExcludePatterns(),
		})
	}
	return uses
}

// takesOwner tells whether an action looks up names of users or groups in an input.
func takesOwner(action *pb.FileAction, input int64) bool {
	owners := []*pb.ChownOpt{
		action.GetCopy().GetOwner(), action.GetMkdir().GetOwner(),
		action.GetMkfile().GetOwner(), action.GetSymlink().GetOwner(),
	}
	return slices.ContainsFunc(owners, func(o *pb.ChownOpt) bool {
		user, group := o.GetUser().GetByName(), o.GetGroup().GetByName()
		return user != nil && user.GetInput() == input || group != nil && group.GetInput() == input
	})
}

// mountUses returns the paths at which a step mounts an input. It returns nil unless all these mounts are bind mounts
// whose changes nobody sees: through such a mount a step sees what is below the path, and nothing else.
func mountUses(op *pb.ExecOp, input int64) (uses []source.Use) {
	for _, m := range op.GetMounts() {
		if m.GetInput() != input {
			continue
		}
		if m.GetMountType() != pb.MountType_BIND || m.GetOutput() != int64(pb.SkipOutput) {
			return nil
		}
		uses = append(uses, source.Use{Path: path.Join("/", m.GetSelector())})
	}
	return uses
}
