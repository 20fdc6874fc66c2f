package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// equalExports compares exports. An option that has its zero value equals one that is not set.
func equalExports(applied, wanted property.Map, key string) bool {
	return reduceExports(applied.Get(key), isZeroOption).Equals(reduceExports(wanted.Get(key), isZeroOption))
}

// selectOption tells whether an option of an export is selected. kind is the member that has the option, such as
// registry. It is "" for an option of the entry itself.
type selectOption func(kind, option string, v property.Value) bool

// reduceExports returns the entries of exports without the options that drop selects, for comparisons.
func reduceExports(exports property.Value, drop selectOption) property.Value {
	if !exports.IsArray() {
		return plainValue(exports)
	}
	var entries []property.Value
	for _, e := range exports.AsArray().All {
		if !e.IsMap() {
			entries = append(entries, plainValue(e))
			continue
		}
		entry := map[string]property.Value{}
		for name, v := range e.AsMap().All {
			switch {
			case v.IsMap():
				entry[name] = reduceOptions(name, v.AsMap(), drop)
			case !drop("", name, v):
				entry[name] = plainValue(v)
			}
		}
		entries = append(entries, property.New(entry))
	}
	return plainValue(property.New(entries))
}

func reduceOptions(kind string, options property.Map, drop selectOption) property.Value {
	kept := map[string]property.Value{}
	for name, v := range options.All {
		if !drop(kind, name, v) {
			kept[name] = plainValue(v)
		}
	}
	return property.New(kept)
}

// falseByDefault are the options of exports that mean false if they are not set.
var falseByDefault = []string{
	"disabled", "forceCompression", "pushByDigest", "insecure", "nameCanonical", "unpack", "store",
}

// isZeroOption tells whether an option has the value that it has when it is not set.
func isZeroOption(_, option string, v property.Value) bool {
	v = plainValue(v)
	return v.IsNull() || v.IsString() && v.AsString() == "" ||
		v.IsBool() && !v.AsBool() && slices.Contains(falseByDefault, option)
}

// isDockerBuildDefault tells whether an option has the value that docker-build stores when the program does not set it.
// BuildKit writes the same image for either value of ociMediaTypes.
// https://github.com/pulumi/pulumi-docker-build/blob/v0.0.22/provider/internal/export.go
func isDockerBuildDefault(kind, option string, v property.Value) bool {
	v = plainValue(v)
	switch option {
	case "compression":
		return v.IsString() && v.AsString() == string(CompressionGzip)
	case "compressionLevel":
		return v.IsNumber() && v.AsNumber() == 0
	case "ociMediaTypes":
		return true
	case "store", "tar":
		return v.IsBool() && v.AsBool()
	case "push":
		return v.IsBool() && v.AsBool() == (kind == "registry")
	}
	return isZeroOption(kind, option, v)
}
