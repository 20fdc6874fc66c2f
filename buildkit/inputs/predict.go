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

// errUncertain ends a prediction that would be a guess.
var errUncertain = errors.New("uncertain")

// Why a prediction is in doubt, if the frontend does not say it.
const (
	frontendDoubt = "the frontend fails in a dry run"
	readsDoubt    = "a path depends on a base image, an unknown argument or the platform of the daemon"
	usesDoubt     = "an unknown argument may decide what is left out"
)

// predict runs the Dockerfile frontend to find out what the build of a plan will read. It is the very frontend that the
// build will run, on a gateway that answers from what is here: base images get a stub of a configuration. It asks no
// network and takes about a millisecond.
//
// The prediction is in doubt, and every source is then read as a whole, in these cases: another frontend interprets the
// Dockerfile; a path depends on a variable that a base image could define, on an argument that is not known yet, or on
// the daemon's platform; the frontend fails here. What an ONBUILD of a base image reads cannot be predicted:
// Prediction.Check stops it.
//
// The stages of TestTargets are built too: what they read is read.
//
// It returns a *dockerfile.BudgetError when the frontend takes more memory or time than it may, and a
// *dockerfile.CrashError. It returns an *EncodingError when no daemon could be sent what the frontend makes of the
// Dockerfile.
func predict(ctx context.Context, plan Plan, texts Texts) (Prediction, error) {
	p := Prediction{Reads: ReadSet{}, uses: useSet{}}
	plan.Provenance = "" // reads nothing of the contexts; the scan of the image for its SBOM may
	for _, part := range append(plan.testPlans(), plan) {
		target, err := predictTarget(ctx, part, texts)
		if err != nil || target.doubt != "" {
			return Prediction{doubt: target.doubt}, err
		}
		for name, paths := range target.Reads {
			p.Reads.add(localRequest{name: name, paths: paths})
		}
		p.uses.merge(target.uses)
	}
	p.uses = p.uses.simplify()
	return p, nil
}

// predictTarget predicts what one target reads, as predict does.
func predictTarget(ctx context.Context, plan Plan, texts Texts) (Prediction, error) {
	one, other := newDryGateways(plan, texts)
	doubt, err := runBoth(ctx, one, other)
	if doubt == "" && !maps.EqualFunc(one.reads(), other.reads(), slices.Equal[pathSet]) {
		doubt = readsDoubt
	}
	if doubt != "" || err != nil {
		return Prediction{doubt: doubt}, err
	}
	uses, equal := one.uses().commonUses(other.uses())
	if !equal && len(plan.UnknownArgs) > 0 {
		return Prediction{doubt: usesDoubt}, nil
	}
	remotes, doubt, err := predictRemotes(ctx, plan, texts)
	p := Prediction{Reads: one.reads(), uses: uses, doubt: doubt}
	for _, name := range remotes {
		p.Reads[name], p.uses[name] = nil, nil
	}
	return p, err
}

// newDryGateways returns two gateways for one build. The second runs on another machine, and gives a value to every
// name that the Dockerfile could take from elsewhere. What both record is certain.
func newDryGateways(plan Plan, texts Texts) (one, other *dryGateway) {
	one, other = newDryGateway(plan, texts, "linux/amd64"), newDryGateway(plan, texts, "linux/arm64")
	other.baseEnv = sentinelEnv(texts.Dockerfile)
	for _, name := range plan.UnknownArgs {
		other.options["build-arg:"+name] = sentinel
	}
	return one, other
}

// runBoth runs the frontend on both gateways. It returns why one run did not come to its end, "" if both did.
//
// The error says that the frontend took too much, or that the bytes of the Dockerfile are wrong on both machines: on
// one alone they may be in a stage that only this machine builds.
func runBoth(ctx context.Context, one, other *dryGateway) (doubt string, err error) {
	var wrong [2]*EncodingError
	for i, g := range []*dryGateway{one, other} {
		_, err := dockerfile.Run(ctx, g, g.source)
		if IsOverBudget(err) {
			return "", err
		}
		wrong[i] = cmp.Or(encodingErrorOf(err, g.source.Text), g.nulError()).withFile(g.planFiles)
		doubt = cmp.Or(doubt, doubtOf(err))
		if doubt != "" && wrong[i] == nil {
			return doubt, nil // the build says it again, with the line
		}
	}
	if wrong[0] != nil && wrong[1] != nil {
		return doubt, wrong[0]
	}
	return doubt, nil
}

// doubtOf returns why a run of the frontend with this error predicts nothing, "" if err is nil. The text of an error of
// the frontend is not in it, because it may quote the Dockerfile.
func doubtOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errUncertain):
		return err.Error()
	}
	return frontendDoubt
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

// sentinelEnv returns an environment that defines every variable that the text could refer to, with a value that no
// path has.
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
