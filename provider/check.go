package provider

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Check validates all inputs at once, and fills in contextHash and baseDigests. It reads the disk. It asks registries
// only if pull is set. It leaves unknown values alone: they count neither as wrong nor as missing.
func (r *imageResource) Check(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	schemaFailures := schemaErrors(property.New(req.Inputs), reflect.TypeFor[ImageArgs](), "")
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
	if len(schemaFailures) > 0 { // the same failures, with more detail
		failures = schemaFailures
	}
	c := &checker{
		ctx: ctx, raw: req.Inputs, args: args, config: r.settings.get(), failures: failures,
		promised: r.notes.promises(req.Urn),
	}
	for _, check := range checks {
		check(c)
	}
	if err := r.fillContextHash(ctx, req, c, &res); err != nil {
		return res, err
	}
	if err := r.fillBaseDigests(ctx, c, &res); err != nil {
		return res, err
	}
	// The error is about a tag: checkTags has reported it.
	op, _ := resolveOperation(request{urn: req.Urn, inputs: res.Inputs}, args.withComputedInputs(res.Inputs))
	r.setProgramRefs(op)
	if !isImport(req) {
		r.checkUses(c, op)
		res.Failures = hideValues(req.Inputs, c.failures)
	}
	for _, warning := range c.warnings {
		loggerOf(ctx).warning(warning)
	}
	return res, nil
}

// isImport tells whether the inputs are those of an import, which knows only tags.
//
// An import cannot know where the files are, so a Check of its inputs must not fail. Later the program says it, and its
// own Check reports mistakes. Every other Check leaves a contextHash in the state.
func isImport(req p.CheckRequest) bool {
	return req.State.Len() > 0 && req.State.Get("contextHash").IsNull() &&
		property.New(req.State).Equals(property.New(req.Inputs))
}

// keepUnknown replaces each value that has an unknown part by the one of the program. The decoder of infer loses some
// unknown values four levels down.
func keepUnknown(raw, checked property.Map) property.Map {
	for key, value := range raw.All {
		if value.HasComputed() {
			checked = checked.Set(key, value.WithSecret(value.Secret() || checked.Get(key).HasSecrets()))
		}
	}
	return checked
}

// checker collects the failures and warnings about inputs.
type checker struct {
	ctx      context.Context //nolint:containedctx // lives as long as one Check
	raw      property.Map    // the inputs with unknown values
	args     ImageArgs       // the inputs with zero for unknown values
	config   Config          // of the provider
	failures []p.CheckFailure
	warnings []string
	promised promises // what the other images of this preview will make
	awaited  bool     // another image will write a file or folder that contextHash depends on
}

// warn adds a warning, which Check logs. The warning must quote no secret.
func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, withRemedies(args)...))
}

// checks are the checks of all inputs. Each reports failures under the path of the wrong property.
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

// fail adds a failure under a path. If the value there is a secret, it hides the reason.
func (c *checker) fail(path, format string, args ...any) {
	reason := login.Hide(fmt.Sprintf(format, withRemedies(args)...))
	if c.isSecret(path) {
		reason = "this is not valid; the reason is not shown, because the value is a secret"
	}
	c.failures = append(c.failures, p.CheckFailure{Property: path, Reason: reason})
}

// isSecret tells whether the value at a path is a secret, contains one or is part of one.
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

// hasFailure tells whether the property, or a part of it, has a failure.
func (c *checker) hasFailure(key string) bool {
	for _, f := range c.failures {
		rest, ok := strings.CutPrefix(f.Property, key)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// unknownAt tells whether the value at a path, or a part of it, is unknown. It returns false for a path without a
// value.
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
