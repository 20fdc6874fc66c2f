package inputs

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
)

// ReadSet is what a build reads of its local sources, by their names, and the contexts among them that the daemon fetches, always
// as a whole. A source that is not in it is not read.
type ReadSet map[string]pathSet

// pathSet are the paths of a local source that a build reads, as the Dockerfile's instructions give them: relative to the
// root of the source, links in them to be followed, wildcards allowed. Nil is the whole source.
type pathSet []string

// Prediction is what a build will read.
type Prediction struct {
	Reads ReadSet // nil: whole contexts
	uses  useSet
}

// errUncertain ends a prediction that would be a guess.
var errUncertain = errors.New("uncertain")

// predict tells what the build of a plan will read, by running the Dockerfile frontend, the very one that the build will
// run, on a gateway that answers from what is here: base images get a stub of a configuration. It asks no network and takes
// about a millisecond.
//
// It returns false when it cannot be sure, and then every source is read as a whole: another frontend interprets the
// Dockerfile; a path depends on a variable that a base image could define, on an argument that is not known yet, or on the
// daemon's platform; or the frontend does not come to an end here. What an ONBUILD of a base image reads cannot be
// predicted: Prediction.Check stops it.
//
// The stages of TestTargets are built too: what they read is read.
//
// Errors: a *dockerfile.BudgetError when the frontend takes more memory or time than it may, a *dockerfile.CrashError, an
// *EncodingError when no daemon could be sent what the frontend makes of the Dockerfile.
func predict(ctx context.Context, plan Plan, d Definition) (p Prediction, certain bool, err error) {
	p = Prediction{Reads: ReadSet{}, uses: useSet{}}
	plan.Provenance = "" // reads nothing of the contexts; the scan of the image for its SBOM may
	for _, part := range append(plan.testPlans(), plan) {
		target, certain, err := predictTarget(ctx, part, d)
		if !certain {
			return Prediction{}, false, err
		}
		for name, paths := range target.Reads {
			p.Reads.add(localRequest{name: name, paths: paths})
		}
		p.uses.merge(target.uses)
	}
	p.uses = p.uses.simplify()
	return p, true, nil
}

// predict fills in what the build reads, unless the whole of it is taken. A text with odd bytes is tried all the same.
func (in *Inputs) predict(ctx context.Context, plan Plan) (err error) {
	if !plan.WatchAll {
		in.predicted, in.Certain, err = predict(ctx, plan, in.Definition)
		return err
	}
	if _, odd := invalidByte(in.Dockerfile); odd {
		if _, _, err = predict(ctx, plan, in.Definition); errors.As(err, new(*EncodingError)) {
			return err
		}
	}
	return nil
}

func predictTarget(ctx context.Context, plan Plan, d Definition) (p Prediction, certain bool, err error) {
	one, other := newDryGateways(plan, d)
	if ended, err := runBoth(ctx, one, other); !ended || !maps.EqualFunc(one.reads(), other.reads(), slices.Equal[pathSet]) {
		return Prediction{}, false, err
	}
	uses, agreed := one.uses().commonUses(other.uses())
	if !agreed && len(plan.UnknownArgs) > 0 { // one of them may decide what is left out
		return Prediction{}, false, nil
	}
	fetched, certain, err := plan.remoteReads(ctx, d)
	p = Prediction{Reads: one.reads(), uses: uses}
	for _, name := range fetched {
		p.Reads[name], p.uses[name] = nil, nil
	}
	return p, certain, err
}

// newDryGateways are two of the same build, the second on another machine, where every name that the Dockerfile could take from
// elsewhere has a value. What they have in common is certain.
func newDryGateways(plan Plan, d Definition) (one, other *dryGateway) {
	one, other = newDryGateway(plan, d, "linux/amd64"), newDryGateway(plan, d, "linux/arm64")
	other.baseEnv = sentinelEnv(d.Dockerfile)
	for _, name := range plan.UnknownArgs {
		other.attrs["build-arg:"+name] = sentinel
	}
	return one, other
}

// runBoth runs the frontend on both gateways and tells whether it came to its end. The error says that it took too much, or that
// the bytes of the Dockerfile are wrong on both machines: on one alone they may be in a stage that only it builds.
func runBoth(ctx context.Context, one, other *dryGateway) (ended bool, err error) {
	ended = true
	var wrong [2]*EncodingError
	for i, g := range []*dryGateway{one, other} {
		_, err := dockerfile.Run(ctx, g, g.source)
		if IsOverBudget(err) {
			return false, err
		}
		wrong[i] = cmp.Or(encodingErrorOf(err, g.source.Text), g.nulError()).withFile(g.planFiles)
		if ended = ended && err == nil; !ended && wrong[i] == nil {
			return false, nil // the build says it again, with the line
		}
	}
	if wrong[0] != nil && wrong[1] != nil {
		return false, wrong[0]
	}
	return ended, nil
}

// IsOverBudget tells whether the Dockerfile frontend took more memory or time than it may, or its process crashed.
func IsOverBudget(err error) bool {
	_, budget := errors.AsType[*dockerfile.BudgetError](err)
	_, size := errors.AsType[*dockerfile.SizeError](err)
	_, crash := errors.AsType[*dockerfile.CrashError](err)
	return budget || size || crash
}

// sentinel is a value that no path has.
const sentinel = "\x01sentinel"

var variablePattern = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// sentinelEnv define every variable that the text could refer to, with a value that no path has.
func sentinelEnv(dockerfile []byte) []string {
	names := map[string]bool{}
	for _, m := range variablePattern.FindAllSubmatch(dockerfile, -1) {
		names[string(m[1])] = true
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		env = append(env, name+"="+sentinel)
	}
	return env
}
