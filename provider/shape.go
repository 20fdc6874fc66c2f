package provider

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// schemaErrors returns what in a value does not fit a type of the schema: properties that do not exist, properties that
// are missing, and values of another kind. It names each by its path. An unknown value fits every type.
func schemaErrors(v property.Value, t reflect.Type, path string) []p.CheckFailure {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v.IsNull() || v.IsComputed() {
		return nil
	}
	switch {
	case t.Kind() == reflect.Struct && v.IsMap():
		return objectErrors(v.AsMap(), t, path)
	case t.Kind() == reflect.Slice && v.IsArray():
		var failures []p.CheckFailure
		for i, e := range v.AsArray().All {
			failures = append(failures, schemaErrors(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
		return failures
	case t.Kind() == reflect.Map && v.IsMap():
		var failures []p.CheckFailure
		for key, e := range v.AsMap().AllStable {
			failures = append(failures, schemaErrors(e, t.Elem(), under(path, key))...)
		}
		return failures
	case isKind(v, t.Kind()):
		return nil
	}
	reason := fmt.Sprintf("it must be %s, and is %s", kindName(t), kindOfValue(v))
	return []p.CheckFailure{{Property: path, Reason: reason}}
}

// objectErrors returns what in an object does not fit a struct type.
func objectErrors(object property.Map, t reflect.Type, path string) []p.CheckFailure {
	var failures []p.CheckFailure
	known := fieldsOf(t)
	for key, v := range object.AllStable {
		field, ok := known[key]
		if !ok {
			failures = append(failures, p.CheckFailure{Property: joinPath(path, key), Reason: "there is no such " +
				"property here; there are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")})
			continue
		}
		failures = append(failures, schemaErrors(v, field.kind, joinPath(path, key))...)
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if v, ok := object.GetOk(key); !known[key].optional && (!ok || v.IsNull()) {
			failures = append(failures, p.CheckFailure{
				Property: joinPath(path, key), Reason: "it is missing, and required",
			})
		}
	}
	return failures
}

// dropExtraFields returns the value without the properties that its type does not have, at any depth.
func dropExtraFields(v property.Value, t reflect.Type) property.Value {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var out property.Value
	switch {
	case t.Kind() == reflect.Struct && v.IsMap():
		fields := map[string]property.Value{}
		for key, field := range fieldsOf(t) {
			if e, ok := v.AsMap().GetOk(key); ok {
				fields[key] = dropExtraFields(e, field.kind)
			}
		}
		out = property.New(fields)
	case t.Kind() == reflect.Slice && v.IsArray():
		elements := make([]property.Value, 0, v.AsArray().Len())
		for _, e := range v.AsArray().All {
			elements = append(elements, dropExtraFields(e, t.Elem()))
		}
		out = property.New(elements)
	case t.Kind() == reflect.Map && v.IsMap():
		entries := map[string]property.Value{}
		for key, e := range v.AsMap().All {
			entries[key] = dropExtraFields(e, t.Elem())
		}
		out = property.New(entries)
	default:
		return v
	}
	return out.WithSecret(v.Secret()).WithDependencies(v.Dependencies())
}

// field is one property of a type of the schema.
type field struct {
	kind     reflect.Type
	optional bool
}

func fieldsOf(t reflect.Type) map[string]field {
	fields := map[string]field{}
	for i := range t.NumField() {
		if t.Field(i).Anonymous {
			maps.Copy(fields, fieldsOf(t.Field(i).Type))
			continue
		}
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("pulumi"), ",")
		fields[name] = field{kind: t.Field(i).Type, optional: options == "optional"}
	}
	return fields
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return under(path, key)
}

func isKind(v property.Value, kind reflect.Kind) bool {
	switch kind {
	case reflect.String:
		return v.IsString()
	case reflect.Bool:
		return v.IsBool()
	case reflect.Int:
		return v.IsNumber() && v.AsNumber() == float64(int(v.AsNumber()))
	case reflect.Float64:
		return v.IsNumber()
	}
	return false
}

func kindName(t reflect.Type) string {
	words := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Bool: "true or false", reflect.Int: "a whole number",
		reflect.Float64: "a number", reflect.Slice: "a list", reflect.Map: "a map", reflect.Struct: "an object",
	}
	if t.Kind() == reflect.Struct {
		return "an object with " + strings.Join(slices.Sorted(maps.Keys(fieldsOf(t))), ", ")
	}
	return words[t.Kind()]
}

func kindOfValue(v property.Value) string {
	switch {
	case v.IsString():
		return "a text"
	case v.IsBool():
		return "true or false"
	case v.IsNumber():
		return "a number"
	case v.IsArray():
		return "a list"
	case v.IsMap():
		return "an object"
	}
	return "something else"
}
