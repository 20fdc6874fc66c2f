package provider

import (
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// maxChanges bounds the number of changes in a message.
const maxChanges = 10

// sourceLabels are the inputs that say where a build context is, or what is in the Dockerfile.
var sourceLabels = inputs.Labels{
	Context: "context.location", Named: "context.named.", Inline: "dockerfile.inline", URL: "dockerfile.location",
}

// describeChanges returns one line about the files that changed between the build in the state and these inputs. It
// returns "" if nothing changed, if this machine does not know that build, or if in is nil.
func describeChanges(in *inputs.Inputs, op operation) string {
	before, now := text(op.old.outputs, "contextHash"), deref(op.args.ContextHash)
	if in == nil || before == "" || before == now {
		return ""
	}
	changes, ok := inputs.UserHistory().Changes(before, in, sourceLabels)
	if !ok || len(changes) == 0 {
		return ""
	}
	return "contextHash changed: " + formatChanges(changes)
}

// formatChanges returns the first changes in one line, and the number of the others.
func formatChanges(changes []source.Change) string {
	var parts []string
	for _, c := range changes[:min(len(changes), maxChanges)] {
		part := fmt.Sprintf("%s %s", c.Kind, printable(c.Path))
		if c.Detail != "" {
			part += " (" + c.Detail + ")"
		}
		parts = append(parts, part)
	}
	line := strings.Join(parts, ", ")
	if more := len(changes) - maxChanges; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return line
}

// printable returns a path as it is, or quoted if it has characters that a terminal would not show, or a space or
// comma.
func printable(path string) string {
	if quoted := fmt.Sprintf("%q", path); quoted != `"`+path+`"` || strings.ContainsAny(path, " ,") {
		return quoted
	}
	return path
}
