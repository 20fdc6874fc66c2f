package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// cacheTypes maps the types of caches that BuildKit knows to the option that each needs.
var cacheTypes = map[string]string{
	"registry": "ref", "local": "", "s3": "bucket", "gha": "", "azblob": "", "inline": "",
}

// rawCacheMistake returns an error that says what is wrong with the options of a cache, or nil.
func rawCacheMistake(input string, kind string, options optionMap) error {
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

// credentialOptions maps the options of caches that no state should hold as plain text to the inputs that protect them.
var credentialOptions = map[string]string{ //nolint:gosec // names of options
	"secret_access_key": "s3.secretAccessKey or azblob.secretAccessKey",
	"session_token":     "s3.sessionToken",
	"token":             "gha, which takes it from the environment",
	"ghtoken":           "gha, which takes it from the environment",
}

// warnOfCredentials warns if the options of a cache hold a credential and are not a secret.
func warnOfCredentials(c *checker, path string, options optionMap) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if better, ok := credentialOptions[name]; ok && options[name] != "" && !c.isSecret(path) {
			c.warn("%s: %s is stored as plain text in the state: make the whole text a secret, or use %s",
				path, name, better)
		}
	}
}

// rawImageMistake returns an error for an internal option of BuildKit, which would replace what was built.
func rawImageMistake(options optionMap) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		for _, reserved := range []string{"containerimage.", "unsafe-", "refs.", "frontend."} {
			if strings.HasPrefix(name, reserved) {
				return fmt.Errorf("%s is BuildKit's own and replaces what was built: leave it out", name)
			}
		}
	}
	return nil
}

// checkOneLine returns an error for text of several lines. All lines after the first would be ignored.
func checkOneLine(text string) error {
	if hasControl(text) {
		return errors.New("it has a control character, such as a line break: write all options in one line, " +
			"separated by commas")
	}
	return nil
}
