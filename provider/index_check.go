package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Check validates all inputs at once, and fills in sourceDigests: it asks the registries for the sources with a tag. It
// leaves unknown values alone: they count neither as wrong nor as missing.
func (r *indexResource) Check(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	schemaFailures := schemaErrors(property.New(req.Inputs), reflect.TypeFor[IndexArgs](), "")
	req.Inputs = dropExtraFields(property.New(req.Inputs), reflect.TypeFor[IndexArgs]()).AsMap()
	res, err := r.InferredResource.Check(ctx, req)
	if err != nil {
		return res, err
	}
	res.Inputs = keepUnknown(req.Inputs, res.Inputs)
	args, failures, err := decodeIndex(ctx, req.Inputs)
	if err != nil {
		return res, err
	}
	if len(schemaFailures) > 0 { // the same failures, with more detail
		failures = schemaFailures
	}
	c := &indexChecker{index: args, checker: checker{
		ctx: ctx, raw: req.Inputs, config: r.settings.configuration(), failures: failures,
		args:     ImageArgs{Platforms: args.Platforms, Annotations: args.Annotations},
		promised: r.notes.promisesFor(req.Urn),
	}}
	for _, check := range indexChecks {
		check(c)
	}
	if err := fillSourceDigests(ctx, r.settings, c, req.State, &res); err != nil {
		return res, err
	}
	r.programRefs.set(req.Urn, indexRefs(res.Inputs))
	checkIndexUses(c, r.notes, req.Urn, res.Inputs)
	res.Failures = hideValues(req.Inputs, c.failures)
	for _, warning := range c.warnings {
		loggerOf(ctx).warn(warning)
	}
	return res, nil
}

// indexChecker collects the failures and warnings about the inputs of an index.
type indexChecker struct {
	checker
	index IndexArgs // with zero for unknown values
}

// indexChecks are the checks of all inputs. Each reports failures under the path of the wrong property.
var indexChecks = []func(*indexChecker){
	checkIndexTag,
	checkIndexSources,
	func(c *indexChecker) { checkPlatforms(&c.checker) },
	func(c *indexChecker) { checkAnnotations(&c.checker) },
	checkIndexAnnotations,
	checkIndexRegistry,
	checkSourceDigests,
	func(c *indexChecker) { checkNUL(&c.checker) },
}

func checkIndexTag(c *indexChecker) {
	if !isKnown(c.raw, "tag") || c.hasFailure("tag") {
		return
	}
	if c.isSecret("tag") {
		c.failWithoutValue("tag", inputNamed("tags").public)
		return
	}
	if _, err := parseIndexTag(c.raw, c.index.Tag); err != nil {
		c.fail("tag", "%v", err)
	}
}

// parseIndexTag parses the tag of an index. One that is not pushed can be any, as it goes nowhere.
func parseIndexTag(inputs property.Map, tag string) (registry.Tag, error) {
	parsed, err := registry.ParseTag(tag)
	problem, ok := errors.AsType[*fault.Error](err)
	if ok && problem.Kind == fault.TagBare && isKnown(inputs, "push") && !pushesIndex(inputs) {
		return registry.Tag{}, nil
	}
	return parsed, err
}

func checkIndexSources(c *indexChecker) {
	if isKnown(c.raw, "sources") && len(c.index.Sources) == 0 && !c.hasFailure("sources") {
		c.fail("sources", "an index is made of images: name at least one, such as ghcr.io/acme/app:1-amd64")
	}
	for i, source := range c.index.Sources {
		path := fmt.Sprintf("sources[%d]", i)
		if c.unknownAt(key("sources"), index(i)) || c.hasFailure(path) {
			continue
		}
		if c.isSecret(path) {
			c.failWithoutValue(path, "a source is seen wherever the index is made, so it cannot be a secret: take it "+
				"from a plain value, or say that it is not a secret (unsecret)")
			continue
		}
		ref, err := registry.ParseReference(source)
		switch {
		case err != nil:
			c.fail(path, "%v", err)
		case ref.Digest == "" && slices.Contains(indexRefs(c.raw), ref.Tag.String()):
			c.fail(path, "%s is the tag of the index itself, which would then be made of what it made before. Name "+
				"another tag, or the image by its digest", ref.Tag)
		}
	}
}

func checkIndexAnnotations(c *indexChecker) {
	if annotations := c.raw.Get("annotations"); annotations.IsMap() {
		for name, value := range annotations.AsMap().AllStable {
			if annotations.Secret() || value.HasSecrets() {
				c.failWithoutValue(under("annotations", name), inputNamed("annotations").public)
			}
		}
	}
}

func checkIndexRegistry(c *indexChecker) {
	if c.index.Registry != nil && isKnown(c.raw, "registry") {
		checkRegistry(&c.checker, "registry", *c.index.Registry)
	}
}

func checkSourceDigests(c *indexChecker) {
	for _, source := range slices.Sorted(maps.Keys(c.index.SourceDigests)) {
		path, digest := under("sourceDigests", source), c.index.SourceDigests[source]
		if isKnown(c.raw, "sources") && !slices.Contains(c.index.Sources, source) {
			c.warn("%s: there is no such source, so it has no effect", path)
		}
		if !c.unknownAt(key("sourceDigests"), key(source)) && !imageDigest.MatchString(digest) {
			c.fail(path, "%q is no digest: write sha256: and 64 hexadecimal digits", digest)
		}
	}
}

// indexRefs returns the reference that an index will have; none if that is not known or nothing is pushed.
func indexRefs(inputs property.Map) []string {
	if !isKnown(inputs, "tag", "push") || !pushesIndex(inputs) {
		return nil
	}
	tag, err := registry.ParseTag(text(inputs, "tag"))
	if err != nil { // checkIndexTag has reported it
		return nil
	}
	return []string{tag.String()}
}

// checkIndexUses reports a tag that another resource of the program has too.
func checkIndexUses(c *indexChecker, notes *notes, urn resource.URN, inputs property.Map) {
	if len(c.failures) > 0 {
		return
	}
	var wanted []use
	for _, ref := range indexRefs(inputs) {
		wanted = append(wanted, use{useTag, ref, "tag"})
	}
	for _, shared := range notes.noteUses(urn, indexIdentity(inputs), wanted) {
		c.fail(shared.path, "%s", shared.text(urn))
	}
}

// indexIdentity returns a text that differs for indexes with different inputs.
func indexIdentity(inputs property.Map) string {
	texts := []string{"index"}
	for _, name := range watchedIndexInputs() {
		leaves := flatten(name, inputs.Get(name))
		for _, path := range slices.Sorted(maps.Keys(leaves)) {
			texts = append(texts, path, fmt.Sprint(plainValue(leaves[path])))
		}
	}
	return digestOf(texts...)
}
