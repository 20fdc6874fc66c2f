package inputs

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// predictRemotes returns the local sources among Files.Remotes from which the build may take something. It returns why
// it is in doubt, "" if it is not.
//
// The main context always counts, because an ONBUILD of a base image may read it. A named one counts if a dry run asks
// for it; to see that, each is given a unique placeholder for its location.
func predictRemotes(ctx context.Context, p Plan, texts Texts) (sources []string, doubt string, err error) {
	all := slices.Sorted(maps.Keys(p.Files.Remotes()))
	if !slices.ContainsFunc(all, isNamedSource) || basesVary(texts.Dockerfile) {
		return all, "", nil
	}
	p.Files.Named = maps.Clone(p.Files.Named)
	for name, location := range p.Files.Named {
		if IsRemoteNamedContext(location) {
			p.Files.Named[name] = placeholderImage(name)
		}
	}
	one, other := newDryGateways(p, texts)
	if doubt, err := runBoth(ctx, one, other); doubt != "" || err != nil {
		return nil, doubt, err
	}
	asked := slices.Concat(one.transcript.Bytes(), other.transcript.Bytes())
	return slices.DeleteFunc(all, func(source string) bool {
		name, isNamed := strings.CutPrefix(source, namedContextSource(""))
		return isNamed && !bytes.Contains(asked, []byte(placeholderImage(name)))
	}), "", nil
}

// basesVary tells whether a variable names the base of a stage. Which base that is may depend on the daemon's platform,
// and there are more platforms than a prediction tries.
func basesVary(dockerfile []byte) bool {
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return true
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	return err != nil || slices.ContainsFunc(stages, func(s instructions.Stage) bool {
		return strings.Contains(s.BaseName, "$")
	})
}
