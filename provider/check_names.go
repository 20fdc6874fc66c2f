package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// checkNames refuses names that BuildKit would split, or that no Dockerfile, image or step can use.
func checkNames(c *checker) {
	checkKeys(c, "buildArgs", c.args.BuildArgs, buildArgMistake)
	checkKeys(c, "labels", c.args.Labels, labelMistake)
	checkKeys(c, "secrets", c.args.Secrets, idMistake)
	checkKeys(c, "secretSources", c.args.SecretSources, idMistake)
	for id := range c.args.SecretSources {
		if env := deref(c.args.SecretSources[id].Env); strings.ContainsAny(env, "=\x00") {
			c.failWithoutValue(under("secretSources", id)+".env",
				"this cannot be the name of an environment variable: write it without =")
		}
	}
	for i, s := range c.args.SSH {
		checkID(c, fmt.Sprintf("ssh[%d].id", i), s.ID)
	}
	checkID(c, "target", deref(c.args.Target))
	for i, target := range c.args.TestTargets {
		checkID(c, fmt.Sprintf("testTargets[%d]", i), target)
	}
	for i, host := range c.args.AddHosts {
		checkID(c, fmt.Sprintf("addHosts[%d]", i), host)
	}
}

// checkKeys reports the keys of a map that have a mistake. The keys are known, even if the values are not.
func checkKeys[V any](c *checker, input string, values map[string]V, mistake func(string) string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if reason := mistake(name); reason != "" {
			c.failWithoutValue(under(input, name), reason)
		}
	}
}

// checkID refuses a name that has a mistake. Other checks report an empty name, and further mistakes.
func checkID(c *checker, path, id string) {
	if reason := idMistake(id); reason != "" && !c.hasFailure(path) {
		c.fail(path, "%s", reason)
	}
}

// idMistake returns what is wrong with the name of a secret, an agent, a stage or a host, or "".
func idMistake(id string) string {
	if hasControl(id) {
		return fmt.Sprintf("%q has a control character, such as a line break: leave it out", id)
	}
	return ""
}

// buildArgMistake returns what is wrong with the name of a build argument, or "".
func buildArgMistake(name string) string {
	switch {
	case name == "":
		return "a build argument needs a name, that of an ARG in the Dockerfile"
	case strings.Contains(name, "="):
		key, value, _ := strings.Cut(name, "=")
		return fmt.Sprintf("%q cannot be the name of a build argument: write the name and the value apart, as %q: %q",
			name, key, value)
	case strings.ContainsFunc(name, unicode.IsSpace), hasControl(name):
		return fmt.Sprintf("%q cannot be the name of a build argument: write it without white space and control "+
			"characters", name)
	}
	return ""
}

// labelMistake returns what is wrong with the key of a label, or "".
func labelMistake(name string) string {
	switch {
	case name == "":
		return "a label needs a key, such as org.opencontainers.image.source"
	case hasControl(name):
		return fmt.Sprintf("%q cannot be the key of a label: write it without control characters", name)
	}
	return ""
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

// mayHaveNUL lists the inputs whose content may hold a NUL character: a secret may be binary, and a comment of a
// Dockerfile may hold any character.
var mayHaveNUL = []string{"secrets", "dockerfile", "registries"}

// checkNUL refuses NUL characters, which no path, argument, variable or name can have. It runs last, because other
// checks give better reasons.
func checkNUL(c *checker) {
	for name, value := range c.raw.AllStable {
		if !slices.Contains(mayHaveNUL, name) {
			failNUL(c, name, value)
		}
	}
	d := c.args.Dockerfile
	if d != nil && strings.Contains(deref(d.Location), "\x00") && !c.hasFailure("dockerfile.location") {
		c.failWithoutValue("dockerfile.location", "it has a NUL character: leave it out")
	}
}

func failNUL(c *checker, path string, value property.Value) {
	switch {
	case value.IsString() && strings.Contains(value.AsString(), "\x00") && !c.hasFailure(path):
		c.failWithoutValue(path, "it has a NUL character: leave it out")
	case value.IsArray():
		for i, element := range value.AsArray().All {
			failNUL(c, fmt.Sprintf("%s[%d]", path, i), element)
		}
	case value.IsMap():
		for name, element := range value.AsMap().AllStable {
			if strings.Contains(name, "\x00") && !c.hasFailure(under(path, name)) {
				c.failWithoutValue(under(path, name), "the name has a NUL character: leave it out")
			}
			failNUL(c, under(path, name), element)
		}
	}
}
