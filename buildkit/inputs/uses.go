package inputs

import (
	"maps"
	"path"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// useSet are how a build uses what it reads of its local sources, by their names: a daemon is sent what COPY --exclude leaves
// out too, but no image depends on it. Nil, for a source, is all of it.
type useSet map[string][]source.Use

// usesOf returns how a definition uses the source with this digest; nil when it uses all of it, or in a way that is not known
// here.
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

// opUses returns how an operation uses its input with this number, as usesOf does.
func opUses(op *pb.Op, input int64) []source.Use {
	if file := op.GetFile(); file != nil {
		return fileUses(file, input)
	}
	return mountUses(op.GetExec(), input)
}

// fileUses are the sources of the COPY and ADD instructions that copy from an input.
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

// takesOwner reports whether an action looks names of users or groups up in an input.
func takesOwner(action *pb.FileAction, input int64) bool {
	owners := []*pb.ChownOpt{action.GetCopy().GetOwner(), action.GetMkdir().GetOwner(), action.GetMkfile().GetOwner(), action.GetSymlink().GetOwner()}
	return slices.ContainsFunc(owners, func(o *pb.ChownOpt) bool {
		user, group := o.GetUser().GetByName(), o.GetGroup().GetByName()
		return user != nil && user.GetInput() == input || group != nil && group.GetInput() == input
	})
}

// mountUses are the bind mounts of an input whose changes nobody sees: a step sees what is below the path, and nothing else.
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

// add makes a request part of what is used.
func (u useSet) add(request localRequest) {
	known, asked := u[request.name]
	switch {
	case request.internal:
	case request.uses == nil || asked && known == nil:
		u[request.name] = nil
	default:
		u[request.name] = append(known, request.uses...)
	}
}

// merge makes other uses part of u.
func (u useSet) merge(other useSet) {
	for name, uses := range other {
		u.add(localRequest{name: name, uses: uses})
	}
}

// normalize returns the uses in order, each once.
func (u useSet) normalize() useSet {
	sorted := maps.Clone(u)
	for name, uses := range u {
		if uses != nil {
			sorted[name] = source.SortUses(uses)
		}
	}
	return sorted
}

// simplify returns the uses, with nil for each source of which they leave nothing out.
func (u useSet) simplify() useSet {
	excluding := u.normalize()
	for name, uses := range excluding {
		if !source.CanExclude(uses) {
			excluding[name] = nil
		}
	}
	return excluding
}

// commonUses returns what two predictions agree on: where they differ, all of a source is used.
func (u useSet) commonUses(other useSet) (common useSet, equal bool) {
	common, equal = maps.Clone(u), true
	for name, uses := range u {
		if !slices.EqualFunc(uses, other[name], source.Use.Equal) {
			common[name], equal = nil, false
		}
	}
	return common, equal
}

// checkCovers is nil when a request uses nothing in a way that is not in u; else it says what.
func (u useSet) checkCovers(request localRequest) error {
	known := u[request.name]
	if request.internal || known == nil {
		return nil
	}
	if request.uses == nil {
		return &UnhashedError{Source: request.name, Path: "."}
	}
	for _, use := range request.uses {
		if !slices.ContainsFunc(known, use.Equal) {
			return &UnhashedError{Source: request.name, Path: path.Join(".", strings.TrimPrefix(use.Path, "/"))}
		}
	}
	return nil
}

// Check lets nothing be sent that was not hashed: it sees each definition before the daemon does.
func (p Prediction) Check(req gateway.SolveRequest) error {
	if p.Reads == nil || req.Definition == nil { // nil: everything was hashed
		return nil
	}
	requests, err := localRequests(req.Definition)
	if err != nil {
		return err
	}
	for _, request := range requests {
		if err := p.Reads.checkCovers(request); err != nil {
			return err
		}
		if err := p.uses.checkCovers(request); err != nil {
			return err
		}
	}
	return nil
}
