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

// localRef returns the output ref of an image that is not pushed: its first name, by which the engine or the builder
// that has it knows it. It returns "" for an image that is pushed, that has no name or that nobody gets. ok is false if
// the name is not known yet.
func (op operation) localRef() (ref string, ok bool) {
	if !namesKnown(op.inputs) {
		return "", false
	}
	names := namesOf(op.inputs)
	if pushes(op.inputs) || !op.makesImage || len(names) == 0 {
		return "", true
	}
	if !isKnown(op.inputs, imageInputs...) && hashMarks.MatchString(names[0].value.AsString()) {
		return "", false
	}
	return expandMarks(names[0].value.AsString(), op.hash), true
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
