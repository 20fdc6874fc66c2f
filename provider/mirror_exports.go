package provider

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// mirrors tells whether the export removes the other files of its folder.
func (e export) mirrors() bool {
	return e.kind == "local" && e.options["mode"] == string(ExportModeDelete)
}

// withOthersKept returns the exports so that none removes files of a folder that is not known to be its own. That is a
// folder in which the last update removed other files, and to which this machine wrote.
func withOthersKept(outputs property.Map, exports []export) []export {
	kept := slices.Clone(exports)
	for i, e := range kept {
		if !e.mirrors() || wasMirrored(outputs, e.dest) && userWrittenExports().has(e) {
			continue
		}
		kept[i].options, kept[i].keepsOthers = maps.Clone(e.options), true
		kept[i].options["mode"] = string(ExportModeCopy)
	}
	return kept
}

// wasMirrored tells whether an export of the outputs removed the other files of a folder.
func wasMirrored(outputs property.Map, dest string) bool {
	exports := outputs.Get("exports")
	if !exports.IsArray() {
		return false
	}
	return slices.ContainsFunc(exports.AsArray().AsSlice(), func(e property.Value) bool {
		if !e.IsMap() || isDisabled(e.AsMap()) {
			return false
		}
		if member(e.AsMap(), "local", "dest") == dest {
			return member(e.AsMap(), "local", "mode") == string(ExportModeDelete)
		}
		raw, err := rawExport(text(e.AsMap(), "raw"))
		return err == nil && raw.dest == dest && raw.mirrors()
	})
}
