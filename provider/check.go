package provider

import (
	"context"
	"reflect"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Check validates all inputs at once, and fills in contextHash and baseDigests. It reads the disk. It asks registries
// only if pull is set. It leaves unknown values alone: they count neither as wrong nor as missing.
func (r *imageResource) Check(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	r.settings.shares.expect(string(req.Urn))
	r.settings.secrets.addInputs(req.Inputs)
	r.settings.secrets.addInputs(req.State) // an earlier update may have built with them on the same builder
	schemaFailures := schemaErrors(property.New(req.Inputs), reflect.TypeFor[ImageArgs](), "")
	req.Inputs = dropExtraFields(property.New(req.Inputs), reflect.TypeFor[ImageArgs]()).AsMap()
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
		ctx: ctx, raw: req.Inputs, args: args, config: r.settings.configuration(), failures: failures,
		promised: r.notes.promisesFor(req.Urn), downloads: &r.settings.downloads,
	}
	for _, check := range checks {
		check(c)
	}
	if err := fillContextHash(ctx, r.loader, req, c, &res); err != nil {
		return res, err
	}
	if err := fillBaseDigests(ctx, r.settings, c, &res); err != nil {
		return res, err
	}
	fillDockerBuildHash(ctx, req, &res)
	fillMissingExports(req, c, &res)
	// The error is about a tag: checkTags has reported it.
	op, _ := resolveOperation(request{urn: req.Urn, inputs: res.Inputs}, args.withComputedInputs(res.Inputs))
	r.programRefs.set(op.urn, references(op.tags.list))
	if !isImport(req) {
		checkUses(c, r.notes, op)
		res.Failures = hideValues(req.Inputs, c.failures)
	}
	for _, warning := range c.warnings {
		loggerOf(ctx).warn(warning)
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
	checkLimits,
	checkSSH,
	checkSecrets,
	checkSecretSources,
	checkWatchSecrets,
	checkVolatileArgs,
	checkPublicInputs,
	checkCacheFrom,
	checkCacheTo,
	checkCacheMounts,
	checkExports,
	checkRegistries,
	checkBuilder,
	checkWatch,
	checkBaseDigests,
	checkNames, checkArguments,
	checkNoCacheFilter, checkAllow, checkExec,
	checkNUL,
}
