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

// decode reads inputs into their type. Unknown values become zero: whoever decides on one asks isKnown first.
func decode(ctx context.Context, inputs property.Map) (ImageArgs, []p.CheckFailure, error) {
	return infer.DefaultCheck[ImageArgs](ctx, inputs)
}

// decodeStored reads inputs that an earlier Check has accepted, perhaps one of a newer version: what this one does not know
// is left out.
func decodeStored(ctx context.Context, inputs property.Map) (ImageArgs, error) {
	args, failures, err := decode(ctx, dropUnknownFields(property.New(inputs), reflect.TypeFor[ImageArgs]()).AsMap())
	if err == nil && len(failures) > 0 {
		err = fmt.Errorf("%s: %s", failures[0].Property, failures[0].Reason)
	}
	return args, err
}

// isKnown is true when nothing in the properties under keys is unknown.
func isKnown(m property.Map, keys ...string) bool {
	for _, key := range keys {
		if m.Get(key).HasComputed() {
			return false
		}
	}
	return true
}

// text is a string property, "" when it is absent, unknown or of another type.
func text(m property.Map, key string) string {
	if v := m.Get(key); v.IsString() {
		return v.AsString()
	}
	return ""
}

// texts is a property that is a list of strings, without what is unknown in it.
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

func list(values []string) property.Value {
	array := make([]property.Value, len(values))
	for i, v := range values {
		array[i] = property.New(v)
	}
	return property.New(array)
}

// unknownValue is the value that an output has before it can be known.
func unknownValue() property.Value { return property.New(property.Computed) }

var plainKey = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// under is the path of a map's key, as the engine writes property paths.
func under(path, key string) string {
	if plainKey.MatchString(key) {
		return path + "." + key
	}
	return fmt.Sprintf("%s[%q]", path, key)
}

func deref[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// sortUnique returns a sorted copy without duplicates.
func sortUnique(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}
