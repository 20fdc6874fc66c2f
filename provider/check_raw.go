package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
)

// cacheTypes are the caches that BuildKit knows, with the option that each needs.
var cacheTypes = map[string]string{
	"registry": "ref", "local": "", "s3": "bucket", "gha": "", "azblob": "", "inline": "",
}

// rawCacheMistake says what is wrong with a cache that is given as options.
func rawCacheMistake(input string, kind string, options attrs) error {
	needed, known := cacheTypes[kind]
	if !known || kind == "inline" && input == "cacheFrom" {
		return fmt.Errorf("type=%s is not known: it is registry, local, s3, gha or azblob, or inline in cacheTo", kind)
	}
	if kind == "local" {
		needed = map[string]string{"cacheFrom": "src", "cacheTo": "dest"}[input]
	}
	if needed != "" && options[needed] == "" {
		return fmt.Errorf("type=%s needs %s=…", kind, needed)
	}
	if kind == "registry" {
		if _, err := reference.ParseNormalizedNamed(options["ref"]); err != nil {
			return fmt.Errorf("%q is not a reference: %w", options["ref"], err)
		}
	}
	return nil
}

// credentialOptions are the options of caches that should be in no state as plain text, with the inputs that keep them.
var credentialOptions = map[string]string{ //nolint:gosec // names of options
	"secret_access_key": "s3.secretAccessKey or azblob.secretAccessKey",
	"session_token":     "s3.sessionToken",
	"token":             "gha, which takes it from the environment",
	"ghtoken":           "gha, which takes it from the environment",
}

// warnOfCredentials warns of a login among the options of a cache that is no secret.
func (c *checker) warnOfCredentials(path string, options attrs) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if better, ok := credentialOptions[name]; ok && options[name] != "" && !c.isSecret(path) {
			c.warn("%s: %s is stored as plain text in the state: make the whole of it a secret, or use %s",
				path, name, better)
		}
	}
}

// rawImageMistake finds options of an image that are BuildKit's own: they would replace what was built.
func rawImageMistake(options attrs) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		for _, reserved := range []string{"containerimage.", "unsafe-", "refs.", "frontend."} {
			if strings.HasPrefix(name, reserved) {
				return fmt.Errorf("%s is BuildKit's own and replaces what was built: leave it out", name)
			}
		}
	}
	return nil
}

// isOn tells whether BuildKit takes an option of an image for true: "", 1, t, T, TRUE, true and True are.
func (a attrs) isOn(name string) bool {
	value, given := a[name]
	on, err := strconv.ParseBool(value)
	return given && (value == "" || err == nil && on)
}

// checkOneLine refuses text that is not one line: what follows the first would be ignored.
func checkOneLine(text string) error {
	if hasControl(text) {
		return errors.New("it has a control character, such as a line break: write all options in one line, " +
			"separated by commas")
	}
	return nil
}
