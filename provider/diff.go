package provider

import (
	"context"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// diffInputs returns how the new inputs differ from the outputs, by property path, without what ignoreChanges covers.
//
// It uses the old inputs for watched secrets only, which no output has: after a partial update the old inputs differ
// from what was applied.
func diffInputs(
	ctx context.Context, outputs, old, inputs property.Map, ignoreChanges []string,
) map[string]p.PropertyDiff {
	changes := map[string]p.PropertyDiff{}
	ignores := ignoreMatcher(ignoreChanges)
	note := func(all map[string]p.DiffKind) {
		for path, kind := range all {
			if !ignores(path) {
				changes[path] = p.PropertyDiff{Kind: kind}
			}
		}
	}
	applied, wanted := withoutVolatile(takeOver(outputs, inputs), inputs)
	for _, in := range inputTable {
		key := in.name
		if in.equal != nil && !in.equal(applied, wanted, key) {
			note(leafChanges(key, applied.Get(key), wanted.Get(key)))
		}
	}
	note(changedSecrets(old, inputs))
	note(missingExportPaths(ctx, outputs, inputs))
	if len(changes) == 0 && isDockerBuildState(outputs) { // the update writes our outputs
		changes["contextHash"] = p.PropertyDiff{Kind: p.Update}
	}
	return changes
}

// ignoreMatcher returns a function that tells whether ignoreChanges covers a path.
//
// The engine has replaced the ignored inputs by the old ones. But after a partial update, these may differ from the
// outputs.
func ignoreMatcher(patterns []string) func(path string) bool {
	var ignored []resource.PropertyPath
	for _, text := range patterns {
		if pattern, err := resource.ParsePropertyPath(text); err == nil {
			ignored = append(ignored, pattern)
		}
	}
	return func(path string) bool {
		parsed, err := resource.ParsePropertyPath(path)
		return err == nil && slices.ContainsFunc(ignored, func(pattern resource.PropertyPath) bool {
			return pattern.Contains(parsed)
		})
	}
}

func equal(applied, wanted property.Map, key string) bool {
	return plainValue(applied.Get(key)).Equals(plainValue(wanted.Get(key)))
}

// equalTexts compares strings. One that is not set equals "".
func equalTexts(applied, wanted property.Map, key string) bool {
	return isKnown(wanted, key) && text(applied, key) == text(wanted, key)
}

// plainValue returns a value without secretness and dependencies, for comparisons. It returns null for an empty
// collection, because null, empty and absent mean the same.
func plainValue(v property.Value) property.Value {
	switch {
	case v.IsArray() && v.AsArray().Len() == 0, v.IsMap() && v.AsMap().Len() == 0:
		return property.New(property.Null)
	case v.IsArray():
		var elements []property.Value
		for _, e := range v.AsArray().All {
			elements = append(elements, plainValue(e))
		}
		return property.New(elements)
	case v.IsMap():
		fields := map[string]property.Value{}
		for k, e := range v.AsMap().All {
			fields[k] = plainValue(e)
		}
		return property.New(fields)
	}
	return v.WithSecret(false).WithDependencies(nil)
}

func equalSets(applied, wanted property.Map, key string) bool {
	return isKnown(wanted, key) && slices.Equal(sortUnique(texts(applied, key)), sortUnique(texts(wanted, key)))
}

func equalPlatforms(applied, wanted property.Map, key string) bool {
	normalize := func(m property.Map) []string { return sortUnique(normalizePlatforms(texts(m, key))) }
	return isKnown(wanted, key) && slices.Equal(normalize(applied), normalize(wanted))
}

// equalNetwork compares networks. A network that is not set equals default.
func equalNetwork(applied, wanted property.Map, key string) bool {
	mode := func(m property.Map) string {
		if s := text(m, key); s != string(NetworkDefault) {
			return s
		}
		return ""
	}
	return isKnown(wanted, key) && mode(applied) == mode(wanted)
}

// equalFlag compares booleans. One that is not set equals false.
func equalFlag(applied, wanted property.Map, key string) bool {
	flag := func(m property.Map) bool { v := m.Get(key); return v.IsBool() && v.AsBool() }
	return isKnown(wanted, key) && flag(applied) == flag(wanted)
}

// equalPush compares push. One that is not set equals true if there are tags.
func equalPush(applied, wanted property.Map, key string) bool {
	return isKnown(wanted, key) && (equal(applied, wanted, key) || pushes(applied) == pushes(wanted))
}

// leafChanges returns the kind of change for the path of each leaf that differs between two values.
func leafChanges(key string, old, wanted property.Value) map[string]p.DiffKind {
	before, after, changes := flatten(key, old), flatten(key, wanted), map[string]p.DiffKind{}
	for path, value := range after {
		was, existed := before[path]
		switch {
		case !existed:
			changes[path] = p.Add
		case !plainValue(was).Equals(plainValue(value)):
			changes[path] = p.Update
		}
	}
	for path := range before {
		if _, exists := after[path]; !exists {
			changes[path] = p.Delete
		}
	}
	if len(changes) == 0 { // only the meaning differs, such as that of push when the first tag appears
		changes[key] = p.Update
	}
	return changes
}

// flatten returns the leaves of a value by their paths.
func flatten(path string, v property.Value) map[string]property.Value {
	found := map[string]property.Value{}
	switch {
	case v.IsNull():
	case v.IsMap():
		for k, e := range v.AsMap().All {
			merge(found, flatten(under(path, k), e))
		}
	case v.IsArray():
		for i, e := range v.AsArray().All {
			merge(found, flatten(fmt.Sprintf("%s[%d]", path, i), e))
		}
	default:
		found[path] = v
	}
	return found
}

func merge(into, from map[string]property.Value) {
	for k, v := range from {
		into[k] = v
	}
}
