package provider

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// decode converts inputs to their type. An unknown value becomes zero, so callers ask isKnown before they decide on
// one.
func decode(ctx context.Context, inputs property.Map) (ImageArgs, []p.CheckFailure, error) {
	return infer.DefaultCheck[ImageArgs](ctx, inputs)
}

// decodeStored converts inputs that an earlier Check accepted. It leaves out what only another version of the provider
// knows.
func decodeStored(ctx context.Context, inputs property.Map) (ImageArgs, error) {
	args, failures, err := decode(ctx, dropExtraFields(property.New(inputs), reflect.TypeFor[ImageArgs]()).AsMap())
	if err == nil && len(failures) > 0 {
		err = fmt.Errorf("%s: %s", failures[0].Property, failures[0].Reason)
	}
	args.Registries = withInsecureNames(args, inputs)
	return args, err
}

// isKnown tells whether nothing in the properties under the keys is unknown.
func isKnown(m property.Map, keys ...string) bool {
	for _, key := range keys {
		if m.Get(key).HasComputed() {
			return false
		}
	}
	return true
}

// text returns a string property. It returns "" for an absent or unknown one, or for another type.
func text(m property.Map, key string) string {
	if v := m.Get(key); v.IsString() {
		return v.AsString()
	}
	return ""
}

// texts returns a property that is a list of strings, without unknown elements.
func texts(m property.Map, key string) []string {
	v := m.Get(key)
	if !v.IsArray() {
		return nil
	}
	var list []string
	for _, e := range v.AsArray().All {
		if e.IsString() {
			list = append(list, e.AsString())
		}
	}
	return list
}

// list returns strings as a property.
func list(values []string) property.Value {
	array := make([]property.Value, len(values))
	for i, v := range values {
		array[i] = property.New(v)
	}
	return property.New(array)
}

// unknownValue returns the value of an output that is not known yet.
func unknownValue() property.Value { return property.New(property.Computed) }

var plainKey = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// under returns the path of a key in a map, as the engine writes property paths.
func under(path, key string) string {
	if plainKey.MatchString(key) {
		return path + "." + key
	}
	return fmt.Sprintf("%s[%q]", path, key)
}

// deref returns the value, or zero for nil.
func deref[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// sortUnique returns the values sorted, each once.
func sortUnique(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}
