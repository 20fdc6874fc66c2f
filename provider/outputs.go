package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// repeatedInputs returns the inputs that the outputs repeat. The watched ones are as they were given, because Diff
// compares them. The others are there for programs to read, without secrets and credentials.
func repeatedInputs(inputs property.Map) property.Map {
	out := property.Map{}
	for _, key := range watchedInputs {
		if v, ok := inputs.GetOk(key); ok {
			out = out.Set(key, v)
		}
	}
	for _, key := range otherOutputs {
		if v, ok := inputs.GetOk(key); ok && !v.IsNull() && !v.Secret() {
			out = out.Set(key, withoutCredentials(v))
		}
	}
	if v, ok := inputs.GetOk(missingKey); ok {
		out = out.Set(missingKey, v)
	}
	return out
}

// credentialMembers are members of inputs that no output repeats. Others that hold credentials are marked as secrets.
var credentialMembers = []string{"tls", "accessKeyId", "secretAccessKey", "sessionToken"}

// withoutCredentials returns a value without its secret parts, and without credentials in texts.
func withoutCredentials(v property.Value) property.Value {
	var out property.Value
	switch {
	case v.IsString():
		out = property.New(login.Hide(v.AsString()))
	case v.IsArray():
		elements := []property.Value{}
		for _, e := range v.AsArray().All {
			if !e.Secret() {
				elements = append(elements, withoutCredentials(e))
			}
		}
		out = property.New(elements)
	case v.IsMap():
		fields := map[string]property.Value{}
		for name, e := range v.AsMap().All {
			switch {
			case e.Secret(), slices.Contains(credentialMembers, name):
			case name == "raw" && e.IsString():
				fields[name] = property.New(login.Hide(rawWithoutCredentials(e.AsString())))
			default:
				fields[name] = withoutCredentials(e)
			}
		}
		out = property.New(fields)
	default:
		return v
	}
	return out.WithDependencies(v.Dependencies())
}
