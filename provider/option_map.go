package provider

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// optionMap are options of caches and exports, by BuildKit's names. Options that are not set are left out.
type optionMap map[string]string

func (a optionMap) setText(name string, value *string) optionMap {
	if value != nil && *value != "" {
		a[name] = *value
	}
	return a
}

func (a optionMap) setFlag(name string, value *bool) optionMap {
	if value != nil {
		a[name] = strconv.FormatBool(*value)
	}
	return a
}

// setDefault sets an option that is not given.
func (a optionMap) setDefault(name, value string) {
	if _, ok := a[name]; !ok {
		a[name] = value
	}
}

func (a optionMap) setCompression(c LayerCompression) optionMap {
	if c.Compression != nil {
		a["compression"] = string(*c.Compression)
	}
	if c.CompressionLevel != nil {
		a["compression-level"] = strconv.Itoa(*c.CompressionLevel)
	}
	return a.setFlag("force-compression", c.ForceCompression)
}

func (a optionMap) setCacheWriting(c CacheWriting) optionMap {
	if c.Mode != nil {
		a["mode"] = string(*c.Mode)
	}
	return a.setFlag("ignore-error", c.IgnoreError)
}

// parseRaw parses options as docker's command line takes them: type=registry,ref=a,"name=b,c". It returns the type and
// the other options. The type is "" if the text is one value without options.
func parseRaw(text string) (kind string, options optionMap, err error) {
	if err := checkOneLine(text); err != nil {
		return "", nil, err
	}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil && err != io.EOF {
		return "", nil, fmt.Errorf("%q: %w", text, err)
	}
	options = optionMap{}
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		switch {
		case !ok && len(fields) == 1:
			return "", nil, nil
		case !ok:
			return "", nil, fmt.Errorf("%q is not name=value", field)
		case strings.TrimSpace(strings.ToLower(key)) == "type":
			kind = value
		default:
			options[strings.TrimSpace(strings.ToLower(key))] = value
		}
	}
	if kind == "" {
		return "", nil, fmt.Errorf("%q has no type: write type=…", text)
	}
	return kind, options, nil
}

// formatRaw returns options as parseRaw takes them, the type first.
func formatRaw(kind string, options optionMap) string {
	fields := []string{"type=" + kind}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		fields = append(fields, name+"="+options[name])
	}
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write(fields) // to memory
	w.Flush()
	return strings.TrimSuffix(text.String(), "\n")
}

// rawWithoutCredentials returns the options of a cache without those that hold a credential, and text without any as it
// is. It returns "" for text that cannot be parsed.
func rawWithoutCredentials(text string) string {
	kind, options, err := parseRaw(text)
	if err != nil {
		return ""
	}
	count := len(options)
	for name := range credentialOptions {
		delete(options, name)
	}
	delete(options, "access_key_id")
	if len(options) == count {
		return text
	}
	return formatRaw(kind, options)
}

// isOn tells whether BuildKit reads an option of an image as true. That is so for "", 1, t, T, TRUE, true and True.
func (a optionMap) isOn(name string) bool {
	value, ok := a[name]
	on, err := strconv.ParseBool(value)
	return ok && (value == "" || err == nil && on)
}

// setFromEnvironment sets an option that is not given to the value of an environment variable.
func (a optionMap) setFromEnvironment(name, variable string) {
	if value := os.Getenv(variable); value != "" && a[name] == "" {
		a[name] = value
	}
}

func (a optionMap) setAnnotations(values map[string]string) optionMap {
	for name, value := range values {
		a["annotation."+name] = value
	}
	return a
}

func (a optionMap) setNames(names []string) optionMap {
	if len(names) > 0 {
		a["name"] = strings.Join(names, ",")
	}
	return a
}
