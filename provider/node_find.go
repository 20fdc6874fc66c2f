package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// absentNode is a node that does not answer.
type absentNode struct {
	candidate
	err error
}

// Error names the node and the cause.
func (e *absentNode) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *absentNode) Unwrap() error { return e.err }

// noNodeError says that no node of several can build a part of an image.
type noNodeError struct {
	platforms []string // that nobody may build; none: nobody answers
	whole     bool     // one builder must build all platforms
	present   []measured
	absent    []*absentNode
}

// Error returns a line for each node.
func (e *noNodeError) Error() string {
	var lines []string
	for _, m := range e.present {
		lines = append(lines, "- "+m.describe())
	}
	for _, a := range e.absent {
		lines = append(lines, "- "+strings.ReplaceAll(a.Error(), "\n", "\n  "))
	}
	what := "none of the builders answers"
	switch {
	case e.whole && len(e.platforms) > 1:
		what = "no builder may build all of " + strings.Join(e.platforms, ", ") +
			", and one must: see Several builders in the documentation of builders"
	case len(e.present) > 0:
		what = "no builder may build " + strings.Join(e.platforms, ", ")
	}
	return what + ":\n" + strings.Join(lines, "\n")
}

// Unwrap returns the errors of the nodes that do not answer.
func (e *noNodeError) Unwrap() []error {
	var all []error
	for _, a := range e.absent {
		all = append(all, a)
	}
	return all
}

// measure asks all candidates at once what they serve.
func (f *builderFinder) measure(ctx context.Context, all []candidate) (present []measured, absent []*absentNode) {
	answers := make([]measured, len(all))
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i, c := range all {
		rescue.GoGroup(&group, func(err error) { errs[i] = err }, func() {
			defer f.begin("waiting for the builder " + c.name + " to answer")()
			served, err := f.answers.of(c.name).ask(ctx, c)
			answers[i], errs[i] = measured{candidate: c, served: served}, err
		})
	}
	group.Wait()
	for i, c := range all {
		if errs[i] != nil {
			absent = append(absent, &absentNode{candidate: c, err: errs[i]})
			continue
		}
		present = append(present, answers[i])
	}
	return present, absent
}

// spread returns the nodes that build the image: each platform is built where it is native, if the program does not say
// otherwise. It warns of nodes that do not answer. It returns a *noNodeError if a platform cannot be built.
//
// Several nodes may have ended since they answered, so it asks again after each one.
//
// An image without platforms has those of the first builder: another one would make another image.
func (f *builderFinder) spread(ctx context.Context, all []candidate, source string) ([]node, error) {
	if len(f.platforms) == 0 {
		all = all[:1]
	}
	nodes, err := f.spreadOnce(ctx, all)
	for range all {
		gone, ok := errors.AsType[*absentNode](err)
		if !ok || ctx.Err() != nil || errors.As(err, new(*noNodeError)) {
			break
		}
		f.answers.forget(gone.name)
		nodes, err = f.spreadOnce(ctx, all)
	}
	if err == nil {
		f.sayOnce(describeNodes(nodes, source))
	}
	for _, n := range nodes {
		f.warnOfMirrors(n.builder)
	}
	return nodes, err
}

// spreadOnce does the work of spread.
func (f *builderFinder) spreadOnce(ctx context.Context, all []candidate) ([]node, error) {
	present, absent := f.measure(ctx, all)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if len(present) == 0 {
		return nil, &noNodeError{absent: absent}
	}
	chosen, none := f.assign(present)
	if len(none) > 0 {
		return nil, &noNodeError{platforms: none, whole: f.whole, present: present, absent: absent}
	}
	for _, a := range absent {
		f.warnOnce(fmt.Sprintf("%s is left out: %v", a.name, a.err))
	}
	return connectNodes(ctx, present, chosen, f.platforms)
}

// assign returns the number of the builder of each platform. An image that goes anywhere but to a registry is built by
// one builder.
func (f *builderFinder) assign(present []measured) (chosen map[string]int, none []string) {
	if len(f.platforms) == 0 {
		return map[string]int{}, nil
	}
	if !f.whole {
		return assign(f.platforms, present, f.image)
	}
	number := assignWhole(f.platforms, present, f.image)
	if number < 0 {
		return nil, f.platforms
	}
	chosen = map[string]int{}
	for _, platform := range f.platforms {
		chosen[platform] = number
	}
	return chosen, nil
}

// connectNodes connects to the chosen candidates, in their order. Without platforms it connects to the first. It
// returns an *absentNode if one of them fails.
func connectNodes(
	ctx context.Context, present []measured, chosen map[string]int, wanted []string,
) (nodes []node, err error) {
	for i, m := range present {
		var own []string
		for _, platform := range wanted {
			if chosen[platform] == i {
				own = append(own, platform)
			}
		}
		if len(own) == 0 && (len(wanted) > 0 || i > 0) {
			continue
		}
		b, err := m.connect(ctx)
		if err != nil {
			releaseNodes(nodes)
			return nil, &absentNode{candidate: m.candidate, err: err}
		}
		nodes = append(nodes, node{builder: b, platforms: own, isOneOfSeveral: true, candidateName: m.name})
	}
	return nodes, nil
}

// releaseNodes releases the builders of nodes.
func releaseNodes(nodes []node) {
	for _, n := range nodes {
		n.release()
	}
}

// describeNodes says which node builds what.
func describeNodes(nodes []node, source string) string {
	var parts []string
	for _, n := range nodes {
		if len(n.platforms) == 0 {
			parts = append(parts, "on "+n.name())
			continue
		}
		parts = append(parts, fmt.Sprintf("%s on %s", strings.Join(n.platforms, " and "), n.name()))
	}
	return fmt.Sprintf("building %s: %s", strings.Join(parts, ", "), source)
}
