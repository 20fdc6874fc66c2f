//go:build linux

package attacks

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile, and wants what listens on the machine that builds it.

// loopbacks are the forms of addresses that lead back to the machine, one way or another.
var loopbacks = []string{
	"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:0:127.0.0.1]",
	"[::127.0.0.1]",
	"[64:ff9b::7f00:1]", "[64:ff9b::]", "[2002:7f00:1::]", "[fe80::1%eth0]", "localhost", "192.0.2.1",
	"[fd5c:9a1e:77b3::1]",
}

// All of these run in one machine, at once but for the first: its scan reaches what listens for the others.
func TestStepOnAMachine(t *testing.T) {
	t.Parallel()
	if !runInMachine(t) {
		return
	}
	stepsOn("").test(t)
}

// stepsOn is the input builder of programs whose steps attack, or "" for the embedded daemon.
type stepsOn string

func (builder stepsOn) test(t *testing.T) {
	serveDNS(t)
	// Not at once with the others: its scan reaches what listens for them.
	t.Run("does not find the plugin", builder.testPluginOutOfReach)
	t.Run("does not reach it", builder.testMachineOutOfReach)
	t.Run("does not see another step", builder.testStepsApart)
	t.Run("reaches the network", builder.testNetworkWithinReach)
}

// testMachineOutOfReach checks that a step reaches nothing of the machine, by ordinary sockets or raw frames. With
// network: host the same program reaches all of it, so each attempt can succeed.
func (builder stepsOn) testMachineOutOfReach(t *testing.T) {
	t.Parallel()
	l := listen(t)
	attempts := []string{"together", "unix " + l.abstract}
	for _, host := range loopbacks {
		attempts = append(attempts, fmt.Sprintf("tcp %s:%d", host, l.tcp), fmt.Sprintf("udp %s:%d", host, l.udp))
	}
	for _, addr := range append([]string{"::ffff:169.254.169.254"}, metadataAddrs...) {
		attempts = append(attempts, "tcp "+net.JoinHostPort(addr, strconv.Itoa(l.tcp)),
			"udp "+net.JoinHostPort(addr, strconv.Itoa(l.udp)))
	}
	for _, addr := range []string{broadcastAddr, "255.255.255.255", "224.0.0.1", "ff02::1%eth0"} {
		attempts = append(attempts, "udp "+net.JoinHostPort(addr, strconv.Itoa(l.udp)))
	}
	raw := []string{"together"}
	addrs := []string{"127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", broadcastAddr}
	for _, addr := range append(addrs, metadataAddrs...) {
		raw = append(raw, "raw "+net.JoinHostPort(addr, strconv.Itoa(l.tcp)),
			"raw "+net.JoinHostPort(addr, strconv.Itoa(l.udp)))
	}
	test := openProbe(t, string(builder), "", map[string][]string{"sockets": attempts, "frames": raw})
	stack.Succeeds(t, test.Up())
	for attempt, result := range probeOutput(t, test, "sockets") {
		if !strings.HasPrefix(result, "FAILED") {
			t.Errorf("%s: %s", attempt, result)
		}
	}
	for attempt, result := range probeOutput(t, test, "frames") {
		if result != "silence" {
			t.Errorf("%s: %s", attempt, result)
		}
	}
	if reached := l.take(); reached != nil {
		t.Errorf("the machine was reached: %v", reached)
	}
	sockets, frames := len(probeOutput(t, test, "sockets")), len(probeOutput(t, test, "frames"))
	if sockets != len(attempts)-1 || frames != len(raw)-1 {
		t.Errorf("%d and %d results of %d and %d attempts", sockets, frames, len(attempts)-1, len(raw)-1)
	}

	host := openProbe(t, "network: host\n"+string(builder), "", map[string][]string{"sockets": attempts})
	stack.Succeeds(t, host.Up())
	for _, attempt := range []string{
		"unix " + l.abstract, fmt.Sprintf("tcp 127.0.0.1:%d", l.tcp), fmt.Sprintf("tcp 0.0.0.0:%d", l.tcp),
		fmt.Sprintf("tcp [::]:%d", l.tcp), fmt.Sprintf("tcp [::ffff:127.0.0.1]:%d", l.tcp),
		fmt.Sprintf("udp 127.0.0.1:%d", l.udp),
		fmt.Sprintf("tcp 169.254.169.254:%d", l.tcp), fmt.Sprintf("tcp [fd00:ec2::254]:%d", l.tcp)} {
		if result := probeOutput(t, host, "sockets")[attempt]; !strings.HasPrefix(result, "REACHED") {
			t.Errorf("with network: host, %s: %s", attempt, result)
		}
	}
}

// testPluginOutOfReach checks that a step that scans ports finds neither the server of the plugin nor that of the
// engine. Both listen on loopback while it runs.
func (builder stepsOn) testPluginOutOfReach(t *testing.T) {
	var listening []string
	port := serveDownloads(t, map[string]http.HandlerFunc{
		"/": func(http.ResponseWriter, *http.Request) { listening = loopbackPorts(t) },
	})
	attempts := []string{fmt.Sprintf("get http://%s:%d/", machineAddr4, port), "scan 127.0.0.1"}
	test := openProbe(t, string(builder), "", map[string][]string{"found": attempts})
	stack.Succeeds(t, test.Up())
	if len(listening) < 3 { // the plugin's, the engine's, the language host's
		t.Fatalf("on the loopback of the machine listen only %v", listening)
	}
	if found := probeOutput(t, test, "found")["scan 127.0.0.1"]; found != "0 OPEN" {
		t.Errorf("the scan found %s", found)
	}
	host := openProbe(t, "network: host\n"+string(builder), "", map[string][]string{"found": attempts})
	stack.Succeeds(t, host.Up())
	if found := strings.Fields(probeOutput(t, host, "found")["scan 127.0.0.1"]); len(found) < 2+3 {
		t.Errorf("with network: host the scan found only %v", found)
	}
}

// loopbackPorts returns the ports on which programs of this network namespace listen on 127.0.0.1, from the kernel's
// table.
func loopbackPorts(t *testing.T) (ports []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		const listening = "0A"
		if len(fields) > 3 && fields[3] == listening && strings.HasPrefix(fields[1], "0100007F:") {
			port, _ := strconv.ParseUint(fields[1][len("0100007F:"):], 16, 16)
			ports = append(ports, strconv.FormatUint(port, 10))
		}
	}
	return ports
}

// testStepsApart checks that two steps that run at the same time do not reach each other's listeners.
func (builder stepsOn) testStepsApart(t *testing.T) {
	t.Parallel()
	listens, done := make(chan struct{}), make(chan struct{})
	await := func(c chan struct{}) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-c:
			case <-r.Context().Done():
			}
		}
	}
	port := serveDownloads(t, map[string]http.HandlerFunc{
		"/listens":       func(http.ResponseWriter, *http.Request) { close(listens) },
		"/await-listens": await(listens),
		"/done":          func(http.ResponseWriter, *http.Request) { close(done) },
		"/await-done":    await(done),
	})
	get := func(path string) string { return fmt.Sprintf("get http://%s:%d%s", machineAddr4, port, path) }
	test := openProbe(t, string(builder), "", map[string][]string{
		"one": {"listen :7777", "tcp 192.0.2.2:7777", get("/listens"), get("/await-done")},
		"two": {get("/await-listens"), "tcp 127.0.0.1:7777", "tcp 192.0.2.1:7777", "tcp 192.0.2.2:7777",
			"raw 192.0.2.2:7777", get("/done")},
	})
	stack.Succeeds(t, test.Up())
	if own := probeOutput(t, test, "one")["tcp 192.0.2.2:7777"]; own != "REACHED a step" {
		t.Errorf("the first step itself: %s", own)
	}
	for attempt, result := range probeOutput(t, test, "two") {
		if !strings.HasPrefix(attempt, "get ") && strings.HasPrefix(result, "REACHED") {
			t.Errorf("%s: %s", attempt, result)
		}
	}
}

// testNetworkWithinReach checks what builds need: names, downloads, IPv4 and IPv6, and the machine's other addresses.
// The base image comes from a registry on the machine's loopback, and the image goes there.
func (builder stepsOn) testNetworkWithinReach(t *testing.T) {
	t.Parallel()
	l, port := listen(t), serveDownloads(t, nil)
	attempts := []string{
		fmt.Sprintf("get http://%s:%d/file", downloadName, port),
		fmt.Sprintf("get http://%s:%d/file", machineAddr4, port),
		fmt.Sprintf("get http://[%s]:%d/file", machineAddr6, port),
		fmt.Sprintf("udp %s:%d", machineAddr4, l.udp), fmt.Sprintf("udp [%s]:%d", machineAddr6, l.udp),
		fmt.Sprintf("raw %s:%d", machineAddr4, l.udp),
	}
	allowed := append([]string{"together", "dns " + downloadName, "dns other.test"}, attempts...)
	test := openProbe(t, string(builder), "", map[string][]string{"allowed": allowed})
	stack.Succeeds(t, test.Up())
	results := probeOutput(t, test, "allowed")
	for _, attempt := range attempts {
		if !strings.HasPrefix(results[attempt], "REACHED") {
			t.Errorf("%s: %s", attempt, results[attempt])
		}
	}
	if got := results["dns "+downloadName]; got != machineAddr4 {
		t.Errorf("%s is %s", downloadName, got)
	}
	if got := results["dns other.test"]; !strings.Contains(got, "no such host") {
		t.Errorf("a name that is not there: %s", got)
	}
}

// A Dockerfile cannot take the machine's network by itself; the program can take it, and can take the network away.
func TestDockerfileAndTheMachinesNetwork(t *testing.T) {
	t.Parallel()
	steps := map[string][]string{"interfaces": {"interfaces"}}
	stack.Fails(t, openProbe(t, "", "--network=host", steps).Up(), "network.host is not allowed",
		"take --network=host out of its RUN",
		"set allow: [network.host] in the program")

	none := openProbe(t, "network: none", "", steps)
	stack.Succeeds(t, none.Up())
	if got := probeOutput(t, none, "interfaces")["interfaces"]; got != "lo65536 [127.0.0.1/8 ::1/128]" {
		t.Errorf("network: none: %s", got)
	}
	host := openProbe(t, "network: host", "--network=host", steps)
	stack.Succeeds(t, host.Up())
	if got := probeOutput(t, host, "interfaces")["interfaces"]; strings.Contains(got, "eth016384") {
		t.Errorf("network: host: %s", got)
	}
}

// A proxy on the machine's loopback is no longer one that steps reach: the program is told.
func TestProxyOnTheLoopback(t *testing.T) {
	t.Parallel()
	test := shared.Open(t, shared.Project(t, `context: { location: app }
buildArgs: { HTTP_PROXY: "http://127.0.0.1:3128" }`, map[string]string{"app/Dockerfile": "FROM BUSYBOX\nRUN true\n"}))
	stack.Succeeds(t, test.Preview(),
		"buildArgs: HTTP_PROXY names a proxy on 127.0.0.1, where steps reach only themselves", "network: host")
}
