package provider

import (
	"context"
	"fmt"
	"reflect"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Check validates the inputs, all of them at once, and fills in contextHash. It reads the disk and asks no network.
// What is unknown is neither wrong nor missing: it is left alone.
func (r *imageResource) Check(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	misfits := schemaErrors(property.New(req.Inputs), reflect.TypeFor[ImageArgs](), "")
	req.Inputs = dropUnknownFields(property.New(req.Inputs), reflect.TypeFor[ImageArgs]()).AsMap()
	res, err := r.InferredResource.Check(ctx, req)
	if err != nil {
		return res, err
	}
	res.Inputs = keepUnknown(req.Inputs, res.Inputs)

	args, failures, err := decode(ctx, req.Inputs)
	if err != nil {
		return res, err
	}
	if len(misfits) > 0 { // the same in words, and in detail
		failures = misfits
	}
	c := &checker{ctx: ctx, raw: req.Inputs, args: args, config: r.get(), failures: failures, promised: r.notes.promises(req.Urn)}
	for _, check := range checks {
		check(c)
	}
	if err := r.fillContextHash(ctx, req, c, &res); err != nil {
		return res, err
	}
	if err := r.fillBaseDigests(ctx, c, &res); err != nil {
		return res, err
	}
	op := operation{urn: req.Urn, inputs: res.Inputs, args: args.withComputedInputs(res.Inputs)}
	r.want(op)
	if !isImport(req) {
		r.checkUses(c, op)
		res.Failures = hideValues(req.Inputs, c.failures)
	}
	for _, warning := range c.warnings {
		loggerOf(ctx).warning(warning)
	}
	return res, nil
}

// withComputedInputs are the inputs with what Check has found out.
func (a ImageArgs) withComputedInputs(inputs property.Map) ImageArgs {
	if hash := text(inputs, "contextHash"); hash != "" {
		a.ContextHash = &hash
	}
	if bases := inputs.Get("baseDigests"); bases.IsMap() {
		a.BaseDigests = map[string]string{}
		for ref := range bases.AsMap().All {
			a.BaseDigests[ref] = text(bases.AsMap(), ref)
		}
	}
	return a
}

// isImport tells whether these are the inputs that an import found, which are tags: where the files are, only the program
// will say, and its own Check and build will ask. Every other Check leaves a contextHash in the state.
func isImport(req p.CheckRequest) bool {
	return req.State.Len() > 0 && req.State.Get("contextHash").IsNull() && property.New(req.State).Equals(property.New(req.Inputs))
}

// keepUnknown takes every value that is unknown somewhere from the program itself: infer's decoder loses some of them four
// levels down.
func keepUnknown(raw, checked property.Map) property.Map {
	for key, value := range raw.All {
		if value.HasComputed() {
			checked = checked.Set(key, value.WithSecret(value.Secret() || checked.Get(key).HasSecrets()))
		}
	}
	return checked
}

// checker collects what is wrong with inputs.
type checker struct {
	ctx      context.Context //nolint:containedctx // lives as long as one Check
	raw      property.Map    // to ask what is unknown
	args     ImageArgs       // where unknown values are zero
	config   Config          // of the provider
	failures []p.CheckFailure
	warnings []string
	promised promises // what other images of this preview will make
	awaited  bool     // a file or folder that decides on contextHash is one of those
}

// warn keeps a warning, which Check logs. It quotes no secret.
func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, withRemedies(args)...))
}

// checks are all that is checked. Each reports under the path of the property that is wrong, never under a secret's.
var checks = []func(*checker){
	checkAwaited,
	checkContext,
	checkNamedContexts,
	checkDockerfile,
	checkPlatforms,
	checkTags,
	checkPush,
	checkPushTimeout,
	checkTestTargets,
	checkAnnotations,
	checkEpoch,
	checkAttestations,
	checkHosts,
	checkNetwork,
	checkSSH,
	checkSecrets,
	checkSecretSources,
	checkPublicInputs,
	checkCacheFrom,
	checkCacheTo,
	checkExports,
	checkLoad,
	checkRegistries,
	checkBuilder,
	checkWatch,
	checkBaseDigests,
	checkNames, checkArguments,
	checkNUL,
}

func (c *checker) fail(path, format string, args ...any) {
	reason := login.Hide(fmt.Sprintf(format, withRemedies(args)...))
	if c.isSecret(path) {
		reason = "this is not valid; why is not shown, because the value is a secret"
	}
	c.failures = append(c.failures, p.CheckFailure{Property: path, Reason: reason})
}

// isSecret tells whether the value at a path is a secret, has one in it or is part of one.
func (c *checker) isSecret(path string) bool {
	segments, err := resource.ParsePropertyPath(path)
	if err != nil {
		return true
	}
	v := property.New(c.raw)
	for _, s := range segments {
		switch s := s.(type) {
		case string:
			if !v.IsMap() {
				return v.HasSecrets()
			}
			v = v.AsMap().Get(s)
		case int:
			if !v.IsArray() || s >= v.AsArray().Len() {
				return v.HasSecrets()
			}
			v = v.AsArray().Get(s)
		}
		if v.Secret() {
			return true
		}
	}
	return v.HasSecrets()
}

// hasFailure tells whether something is wrong with the property or below it.
func (c *checker) hasFailure(key string) bool {
	for _, f := range c.failures {
		if f.Property == key || len(f.Property) > len(key) && f.Property[:len(key)] == key && (f.Property[len(key)] == '.' || f.Property[len(key)] == '[') {
			return true
		}
	}
	return false
}

// unknownAt tells whether the value at a path is unknown; a path that leads nowhere is not.
func (c *checker) unknownAt(segments ...property.PathSegment) bool {
	v := property.New(c.raw)
	for _, s := range segments {
		if v.IsComputed() {
			return true
		}
		next, err := property.PathFromSegments(s).Get(v)
		if err != nil {
			return false
		}
		v = next
	}
	return v.HasComputed()
}

func key(name string) property.PathSegment { return property.NewSegment(name) }
func index(i int) property.PathSegment     { return property.NewSegment(i) }
