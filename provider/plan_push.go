package provider

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// pushes tells whether the image is pushed. As in docker-build, the input push and the exports each can ask for a push.
// If push is not set, an export decides that says something about it, and else an image with tags is pushed.
func pushes(m property.Map) bool {
	push := m.Get("push")
	if push.IsBool() && push.AsBool() {
		return true
	}
	exportsPush, said := exportsPush(m)
	if push.IsBool() || said {
		return exportsPush
	}
	tags := m.Get("tags")
	return tags.IsComputed() || tags.IsArray() && tags.AsArray().Len() > 0
}

// exportsPush tells whether an export pushes the image. said is false if no export says anything about it.
func exportsPush(m property.Map) (push, said bool) {
	for _, e := range imageEntries(m) {
		push, said = push || e.push, said || e.said
	}
	return push, said
}

// imageEntry is an export of the image, as far as it is known.
type imageEntry struct {
	path       string // of its options
	names      []imageName
	push, said bool // whether it pushes the image, and says so or the contrary
}

// imageName is a name of the image, and the input that gives it. The value may be unknown.
type imageName struct {
	value property.Value
	path  string
}

// imageEntries returns the exports of the image that are not disabled.
func imageEntries(m property.Map) (entries []imageEntry) {
	exports := m.Get("exports")
	if !exports.IsArray() {
		return nil
	}
	for i, e := range exports.AsArray().All {
		if !e.IsMap() || isDisabled(e.AsMap()) {
			continue
		}
		path := fmt.Sprintf("exports[%d].", i)
		for _, kind := range []string{"registry", "image"} {
			if member := e.AsMap().Get(kind); member.IsMap() {
				entries = append(entries, typedImageEntry(path+kind, kind, member.AsMap()))
			}
		}
		if entry, ok := rawImageEntry(path+"raw", text(e.AsMap(), "raw")); ok {
			entries = append(entries, entry)
		}
	}
	return entries
}

// isDisabled tells whether an export is known to be disabled.
func isDisabled(entry property.Map) bool {
	disabled := entry.Get("disabled")
	return disabled.IsBool() && disabled.AsBool()
}

// typedImageEntry returns an export of the kind registry or image.
func typedImageEntry(path, kind string, member property.Map) imageEntry {
	entry := imageEntry{path: path}
	push := member.Get("push")
	entry.push = push.IsBool() && push.AsBool() || kind == "registry" && push.IsNull()
	entry.said = push.IsBool() || kind == "registry" && push.IsNull()
	if names := member.Get("names"); names.IsArray() {
		for i, name := range names.AsArray().All {
			entry.names = append(entry.names, imageName{name, fmt.Sprintf("%s.names[%d]", path, i)})
		}
	}
	return entry
}

// rawImageEntry returns an export of the image that is given in one line. ok is false for any other line.
func rawImageEntry(path, line string) (entry imageEntry, ok bool) {
	kind, options, err := parseRaw(line)
	if line == "" || err != nil || kind != "registry" && kind != "image" {
		return imageEntry{}, false
	}
	entry = imageEntry{path: path}
	_, given := options["push"]
	entry.push = options.isOn("push") || kind == "registry" && !given
	entry.said = given || kind == "registry"
	for name := range strings.SplitSeq(options["name"], ",") {
		if name != "" {
			entry.names = append(entry.names, imageName{property.New(name), path})
		}
	}
	return entry, true
}

// namesOf returns the names of the image: its tags. If it has none, it returns the names in exports: of those that push
// it, or of all if none of those has a name.
func namesOf(m property.Map) (names []imageName) {
	if tags := m.Get("tags"); tags.IsArray() && tags.AsArray().Len() > 0 {
		for i, tag := range tags.AsArray().All {
			names = append(names, imageName{tag, fmt.Sprintf("tags[%d]", i)})
		}
		return names
	}
	entries := imageEntries(m)
	for _, e := range entries {
		if e.push {
			names = append(names, e.names...)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, e := range entries {
		names = append(names, e.names...)
	}
	return names
}

// pushKnown tells whether it is known whether the image is pushed.
func pushKnown(m property.Map) bool {
	exports := m.Get("exports")
	if !isKnown(m, "push") || exports.IsComputed() {
		return false
	}
	if m.Get("push").IsBool() && m.Get("push").AsBool() || !exports.IsArray() {
		return true
	}
	for _, e := range exports.AsArray().All {
		if e.IsComputed() || e.IsMap() && !isKnown(e.AsMap(), "disabled", "raw") {
			return false
		}
		for _, kind := range []string{"registry", "image"} {
			if !e.IsMap() {
				continue
			}
			member := e.AsMap().Get(kind)
			if member.IsComputed() || member.IsMap() && !isKnown(member.AsMap(), "push") {
				return false
			}
		}
	}
	return true
}

// namesKnown tells whether it is known which names the image has, and whether they are pushed.
func namesKnown(m property.Map) bool {
	tags := m.Get("tags")
	hasTags := tags.IsArray() && tags.AsArray().Len() > 0
	return pushKnown(m) && isKnown(m, "tags") && (hasTags || isKnown(m, "exports"))
}

// namesHash tells whether a name of the image contains the inputs hash, whole or short.
func namesHash(m property.Map) bool { return slices.ContainsFunc(knownNames(m), hashMarks.MatchString) }

// knownNames returns the names of the image that are known, as they were given.
func knownNames(m property.Map) (names []string) {
	for _, name := range namesOf(m) {
		if name.value.IsString() {
			names = append(names, name.value.AsString())
		}
	}
	return names
}

// withNames returns inputs or outputs with only those names of the image that keep accepts: in tags and in exports.
func withNames(m property.Map, keep func(string) bool) property.Map {
	filter := func(given []string) []string {
		return slices.DeleteFunc(slices.Clone(given), func(name string) bool { return !keep(name) })
	}
	if tags := m.Get("tags"); tags.IsArray() && tags.AsArray().Len() > 0 {
		return m.Set("tags", list(filter(texts(m, "tags"))))
	}
	exports := m.Get("exports")
	if !exports.IsArray() {
		return m
	}
	entries := make([]property.Value, 0, exports.AsArray().Len())
	pushed := slices.ContainsFunc(imageEntries(m), func(e imageEntry) bool { return e.push && len(e.names) > 0 })
	for _, e := range exports.AsArray().All {
		if e.IsMap() && !isDisabled(e.AsMap()) {
			e = property.New(withEntryNames(e.AsMap(), pushed, filter))
		}
		entries = append(entries, e)
	}
	return m.Set("exports", property.New(entries))
}

// withEntryNames returns an export with filtered names of the image. With pushed, only those of an export that pushes
// are filtered: namesOf takes no others.
func withEntryNames(entry property.Map, pushed bool, filter func([]string) []string) property.Map {
	for _, kind := range []string{"registry", "image"} {
		member := entry.Get(kind)
		if !member.IsMap() || member.AsMap().Get("names").IsNull() ||
			pushed && !typedImageEntry("", kind, member.AsMap()).push {
			continue
		}
		names := list(filter(texts(member.AsMap(), "names")))
		entry = entry.Set(kind, property.New(member.AsMap().Set("names", names)))
	}
	raw, ok := rawImageEntry("", text(entry, "raw"))
	if !ok || len(raw.names) == 0 || pushed && !raw.push {
		return entry
	}
	kind, options, err := parseRaw(text(entry, "raw"))
	if err != nil {
		return entry
	}
	options["name"] = strings.Join(filter(strings.Split(options["name"], ",")), ",")
	if options["name"] == "" {
		delete(options, "name")
	}
	return entry.Set("raw", property.New(formatRaw(kind, options)))
}
