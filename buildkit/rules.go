package buildkit

import (
	"maps"
	"slices"

	spb "github.com/moby/buildkit/sourcepolicy/pb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// sourceRules returns the rules for what the daemon fetches: base images by their digests, and logins from the session.
func sourceRules(p inputs.Plan, l *logins) *spb.Policy {
	policy := baseRules(p)
	if rules := l.rules(p.Files); len(rules) > 0 {
		if policy == nil {
			policy = &spb.Policy{Version: 1}
		}
		policy.Rules = append(policy.Rules, rules...)
	}
	return policy
}

// baseRules returns the rules by which the daemon takes each base image by its digest, whichever frontend asks for it.
// Daemons know such policies since BuildKit v0.11 (docs/build-repro.md of BuildKit).
func baseRules(p inputs.Plan) *spb.Policy {
	if len(p.BaseDigests) == 0 {
		return nil
	}
	policy := &spb.Policy{Version: 1}
	for _, ref := range slices.Sorted(maps.Keys(p.BaseDigests)) {
		policy.Rules = append(policy.Rules, &spb.Rule{
			Action:   spb.PolicyAction_CONVERT,
			Selector: &spb.Selector{Identifier: inputs.ImageScheme + ref, MatchType: spb.MatchType_EXACT},
			Updates:  &spb.Update{Identifier: inputs.ImageScheme + ref + "@" + p.BaseDigests[ref]},
		})
	}
	return policy
}
