package provider

import (
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// maxChanges is how many changes are named.
const maxChanges = 10

// describeChanges says in a line what is different in the inputs of the build from the one that the state is about; "" when
// nothing is, or that one is not known on this machine.
func (r *imageResource) describeChanges(op operation) string {
	before, now := text(op.old.outputs, "contextHash"), deref(op.args.ContextHash)
	in := r.recorded(op)
	if in == nil || before == "" || before == now {
		return ""
	}
	changes, known := inputs.UserHistory().Changes(before, in)
	if !known || len(changes) == 0 {
		return ""
	}
	return "contextHash changed: " + summary(changes)
}

func summary(changes []source.Change) string {
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

// printable quotes a path that a terminal would not show as it is.
func printable(path string) string {
	if quoted := fmt.Sprintf("%q", path); quoted != `"`+path+`"` || strings.ContainsAny(path, " ,") {
		return quoted
	}
	return path
}
