package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// node is a builder with the platforms of an image that it builds.
type node struct {
	builder
	platforms []string // none: the builder's own

	isOneOfSeveral bool   // the program names others, too
	candidateName  string // by which its answers are known; "": it is not one of several
}

// candidate is one of several builders over which the platforms of an image can be spread.
type candidate struct {
	name      string   // for people
	platforms []string // those that it may build, normalized; none: all that it can
	share     bool     // it shares images with others that suit a platform as well
	connect   func(context.Context) (builder, error)
}

// may tells whether the program lets a candidate build a platform.
func (c candidate) may(platform string) bool {
	if len(c.platforms) == 0 {
		return true
	}
	wanted, err := platforms.Parse(platform)
	return err == nil && slices.ContainsFunc(c.platforms, func(given string) bool {
		p, err := platforms.Parse(given)
		return err == nil && platforms.NewMatcher(p).Match(wanted)
	})
}

// measured is a candidate that answers, with what its daemon says of itself.
type measured struct {
	candidate
	served buildkit.Served
}

// fitness says how well a builder suits a platform. The lowest is the best.
type fitness int

const (
	native   fitness = iota // its machine runs the platform
	named                   // the program names it for the platform, which it emulates
	emulated                // it emulates the platform
	unserved                // it runs no steps for the platform, and can build an image without RUN only
	excluded                // the program does not let it build the platform
)

// fitnessFor returns how well a candidate suits a platform.
func (m measured) fitnessFor(platform string) fitness {
	switch {
	case !m.may(platform):
		return excluded
	case m.served.Natively(platform):
		return native
	case !m.served.Serves(platform):
		return unserved
	case len(m.platforms) > 0:
		return named
	}
	return emulated
}

// assign returns for each platform the best of the candidates for an image, by its number. It returns the platforms
// that no candidate may build.
func assign(wanted []string, among []measured, image string) (chosen map[string]int, none []string) {
	chosen = map[string]int{}
	for _, platform := range wanted {
		number := choose(among, image, func(m measured) fitness { return m.fitnessFor(platform) })
		if number < 0 {
			none = append(none, platform)
			continue
		}
		chosen[platform] = number
	}
	return chosen, none
}

// assignWhole returns the number of the candidate that suits all platforms of an image best. It returns -1 if each may
// build only a part.
func assignWhole(wanted []string, among []measured, image string) int {
	return choose(among, image, func(m measured) fitness {
		worst := native
		for _, platform := range wanted {
			worst = max(worst, m.fitnessFor(platform))
		}
		return worst
	})
}

// describe returns what a candidate may and can build, for an error.
func (m measured) describe() string {
	text := m.name + " serves " + strings.Join(m.served.Platforms(), ", ")
	if len(m.platforms) > 0 {
		text += fmt.Sprintf(" and may build %s only", strings.Join(m.platforms, ", "))
	}
	return text
}

// needsOneBuilder tells whether one builder must build all platforms: because of files, of an image that stays with a
// builder or an engine, or because stages that test the image run again. Nodes build tests before the image, so such
// stages would run a second time, and the image would not be what was tested.
func (op operation) needsOneBuilder() bool {
	repeats := op.plan.NoCache || len(op.plan.NoCacheOf) > 0
	return hasOtherExports(op.exports) || len(op.plan.StoreNames) > 0 || repeats && len(op.plan.TestTargets) > 0
}
