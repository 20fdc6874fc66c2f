//go:build linux

package attacks

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile, which is built in a Docker Engine: by our BuildKit in a container, or by the
// engine's own.

// Docker Engines: our BuildKit builds in the first one, their own in the others.
var (
	classicEngine = enginetest.Engine{Classic: true}
	ownEngine     = enginetest.Engine{}
	bridgedEngine = enginetest.Engine{Bridge: true}
)

// builderOf returns the input that names a Docker Engine as the builder.
func builderOf(t *testing.T, e *enginetest.Engine) string {
	t.Helper()
	return "builder: { endpoint: \"" + e.Host(t) + "\" }\n"
}

// Steps of our BuildKit in a Docker Engine reach as little of its machine as those of the embedded daemon.
func TestStepInAContainerOfAnEngine(t *testing.T) {
	t.Parallel()
	if !runInMachine(t) {
		return
	}
	stepsOn(builderOf(t, &classicEngine)).test(t)
}

// Steps of the engine's own BuildKit do not reach the loopback of its machine. They reach its other addresses, the
// metadata services among them.
func TestStepOfAnEnginesOwnBuildKit(t *testing.T) {
	t.Parallel()
	if !runInMachine(t) {
		return
	}
	builder, l := builderOf(t, &bridgedEngine), listen(t)
	var loopback, others []string
	for _, host := range loopbacks {
		loopback = append(loopback, fmt.Sprintf("tcp %s:%d", host, l.tcp))
	}
	for _, host := range []string{machineAddr4, "169.254.169.254"} {
		others = append(others, "tcp "+net.JoinHostPort(host, strconv.Itoa(l.tcp)))
	}
	test := openProbe(t, builder, "", map[string][]string{
		"found": append(append([]string{"together", "unix " + l.abstract}, loopback...), others...),
	})
	stack.Succeeds(t, test.Up())
	results := probeOutput(t, test, "found")
	for _, attempt := range append(loopback, "unix "+l.abstract) {
		if !strings.HasPrefix(results[attempt], "FAILED") {
			t.Errorf("%s: %s", attempt, results[attempt])
		}
	}
	for _, attempt := range others {
		if !strings.HasPrefix(results[attempt], "REACHED") {
			t.Errorf("%s: %s: say in docs/security.md that it is out of reach", attempt, results[attempt])
		}
	}
}
