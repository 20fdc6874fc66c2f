//go:build linux

package reliability

import (
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// kind is how a world runs commands.
type kind string

const (
	plainEngine   kind = "engine"   // with the engine of this package, and the embedded daemon
	realCLI       kind = "cli"      // with the real CLI
	messageFaults kind = "messages" // with a daemon behind a proxy that counts messages
	fileFaults    kind = "files"    // with a plugin whose file operations are counted
)

// kinds lists all kinds of worlds.
var kinds = []kind{plainEngine, realCLI, messageFaults, fileFaults}

// pluginName is the program of the provider.
const pluginName = "pulumi-resource-buildkit"

// pointOf names the point whose events fail in worlds of a kind.
func (k kind) pointOf() string {
	switch k {
	case messageFaults:
		return "daemon"
	case fileFaults:
		return "files"
	}
	return "registry"
}

// scenarios returns the scenarios that worlds of a kind run. Only those that build have messages. Up to the last
// request to solve, a create with a cache export sends the messages of a create without one.
func (k kind) scenarios() []scenario {
	return slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return k == messageFaults && !s.builds })
}

// firstEvent returns the first event of a quiet run, from 0, that fails in a scenario.
func (k kind) firstEvent(s scenario, events []string) int {
	if k != messageFaults || !s.last.cache {
		return 0
	}
	for i, event := range slices.Backward(events) {
		if strings.HasPrefix(event, "/moby.buildkit.v1.Control/Solve to") {
			return i
		}
	}
	return 0
}

// kind returns the kind of the world in which the case happens.
func (c testCase) kind() kind {
	switch {
	case c.point == "daemon":
		return messageFaults
	case c.point == "files":
		return fileFaults
	case c.fault == killEngine:
		return realCLI
	}
	return plainEngine
}

// points returns the points of the world by name.
func (w *world) points() map[string]point {
	points := map[string]point{"registry": w.point}
	if w.messages != nil {
		points["daemon"] = w.messages.proxy
	}
	if w.files != nil {
		points["files"] = w.files
	}
	return points
}

// freezeStride is how many messages there are to one that freezes the connection: the plugin waits for seconds then.
const freezeStride = 8

// faultsAt returns the faults that can happen to event i, from 0, of the quiet run of a scenario.
func (w *world) faultsAt(s scenario, i int) (names []string) {
	switch w.kind {
	case realCLI:
		return []string{killEngine}
	case messageFaults:
		return slices.DeleteFunc(w.messages.proxy.Faults(), func(fault string) bool {
			return strings.HasPrefix(fault, "freeze") && i%freezeStride != 0
		})
	case fileFaults:
		event := w.snapshots[s.name].quiet["files"][i]
		return slices.DeleteFunc(w.files.Faults(), func(fault string) bool { return !faults.Suits(fault, event) })
	}
	for _, fault := range append(registryFaults, killFaults...) {
		if applies(fault, s.last.command, w.snapshots[s.name].requests[i]) {
			names = append(names, fault)
		}
	}
	return names
}
