package provider

import (
	"context"
	"errors"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// fillContextHash records the local inputs and sets contextHash to their hash, unless the program sets it. It sets an
// unknown value if the hash cannot be known yet.
func fillContextHash(
	ctx context.Context, loader *inputsLoader, req p.CheckRequest, c *checker, res *p.CheckResponse,
) error {
	urn := req.Urn
	switch {
	case !c.raw.Get("contextHash").IsNull():
		loader.keep(urn, "", nil)
		return nil
	case c.awaited, !meets(c.raw, filesNeed):
		res.Inputs = res.Inputs.Set("contextHash", unknownValue())
		return nil
	case slices.ContainsFunc(filesInputs, c.hasFailure):
		return nil
	}
	plan := c.plan()
	w := newStage(ctx, contextStage(plan))
	in, err := loader.load(ctx, plan)
	if ctx.Err() != nil {
		return w.explain(context.Cause(ctx), "")
	}
	if err != nil {
		failLoad(c, err, plan.Files)
		return nil
	}
	if readsAwaited(ctx, in, c.promised) {
		res.Inputs = res.Inputs.Set("contextHash", unknownValue())
		return nil
	}
	if len(plan.UnknownArgs) > 0 && !in.Certain && !plan.WatchAll { // which files are read may depend on an argument
		res.Inputs = res.Inputs.Set("contextHash", unknownValue())
		return nil
	}
	in.Recognize(text(req.State, "contextHash"))
	warnings := slices.Concat(inputWarnings(in.Warnings(ctx, plan)), loginWarnings(plan.Files),
		querySecretWarnings(plan.Files))
	for _, warning := range warnings {
		loggerOf(ctx).warn(warning)
	}
	hash := in.Hash()
	loader.keep(urn, hash, in)
	res.Inputs = res.Inputs.Set("contextHash", property.New(hash))
	return nil
}

// failLoad reports why the inputs of a build cannot be read, under the input that names the wrong file or folder.
func failLoad(c *checker, err error, files inputs.Files) {
	named, isNamed := errors.AsType[*inputs.NamedContextError](err)
	path := "context"
	switch {
	case failEncoding(c, err, files):
		return
	case inputs.IsOverBudget(err):
		c.fail(c.args.dockerfilePath(), "%v", err)
		return
	case isNamed:
		path = under("context.named", named.Name) + ".location"
	}
	c.fail(path, "the build context cannot be read: %v", withTarget(explainLocal(err), path))
}

// unknownArgs returns the names of the build arguments whose values are not known yet.
func unknownBuildArgs(c *checker) []string {
	var names []string
	for name := range c.args.BuildArgs {
		if c.unknownAt(key("buildArgs"), key(name)) {
			names = append(names, name)
		}
	}
	return names
}
