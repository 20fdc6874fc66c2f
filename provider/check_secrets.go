package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

func checkSecrets(c *checker) {
	for _, id := range slices.Sorted(maps.Keys(c.args.Secrets)) {
		path, value := under("secrets", id), c.args.Secrets[id]
		switch {
		case id == "":
			c.failWithoutValue(path, "a secret needs an id, by which a step mounts it: RUN --mount=type=secret,id=…")
		case c.unknownAt(key("secrets"), key(id)):
		case len(value) > buildkit.SecretLimit:
			c.failWithoutValue(path, fmt.Sprintf("the secret has %d bytes, BuildKit takes %d at most",
				len(value), buildkit.SecretLimit))
		}
	}
}

// checkSecretSources checks the inputs and reads no secret: a machine that builds nothing needs none.
func checkSecretSources(c *checker) {
	for _, id := range slices.Sorted(maps.Keys(c.args.SecretSources)) {
		path, source := under("secretSources", id), c.args.SecretSources[id]
		if id == "" {
			c.failWithoutValue(path, "a secret needs an id, by which a step mounts it: RUN --mount=type=secret,id=…")
		}
		if _, twice := c.args.Secrets[id]; twice {
			c.failWithoutValue(path, "the secret is in secrets too: keep one of them")
		}
		if c.unknownAt(key("secretSources"), key(id)) {
			continue
		}
		if (deref(source.Env) == "") == (deref(source.File) == "") {
			c.failWithoutValue(path,
				"say where the secret is: either env, the name of an environment variable, or file, a path")
		}
	}
}

// checkPublicInputs refuses secrets where everybody could read them. An unknown value can be marked as a secret too.
func checkPublicInputs(c *checker) {
	for _, input := range sortUnique(publicInputs) {
		v, reason := c.raw.Get(input), inputNamed(input).public
		switch {
		case input == "tags": // checkTags refuses them, tag by tag
		case !v.IsMap() && v.HasSecrets():
			c.failWithoutValue(input, reason)
		case v.IsMap():
			for name, value := range v.AsMap().AllStable {
				if v.Secret() || value.HasSecrets() {
					c.failWithoutValue(under(input, name), reason)
				}
			}
		}
	}
}

// hideValues moves the name of a property into the reason of its failure if the engine must not print the value: a
// secret, or text with control characters. The engine prints the values of whole inputs, not of parts.
func hideValues(raw property.Map, failures []p.CheckFailure) []p.CheckFailure {
	shown := slices.Clone(failures)
	for i, f := range shown {
		value := raw.Get(f.Property)
		showable := f.Property != "secrets" && !value.HasSecrets() && isShowableValue(value)
		if strings.ContainsAny(f.Property, ".[") || showable {
			continue
		}
		shown[i] = p.CheckFailure{Reason: f.Property + ": " + f.Reason}
	}
	return shown
}

func isShowable(text string) bool {
	return foreign.Text(text) == text && login.Hide(text) == text
}

// isShowableValue tells whether the engine may print a value: one without control characters, markup of the engine or a
// login.
func isShowableValue(value property.Value) bool {
	for path, leaf := range flatten("", value) {
		if foreign.Line(path) != path || leaf.IsString() && !isShowable(leaf.AsString()) {
			return false
		}
	}
	return true
}
