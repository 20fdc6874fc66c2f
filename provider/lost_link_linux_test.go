package provider

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// link is a network between this machine and a namespace.
type link struct {
	t         *testing.T
	namespace string
	inner     string // the interface in the namespace
}

// newLink makes a link that ends with the test. The namespace has the address 10.213.N.2, and N is of this process.
func newLink(t *testing.T) (l *link, address string) {
	t.Helper()
	daemontest.SkipWithoutDaemon(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("NOT TESTED: the program ip is missing (iproute2)")
	}
	number := os.Getpid() % 100_000
	l = &link{t: t, namespace: fmt.Sprintf("lost%d", os.Getpid()), inner: fmt.Sprintf("lsi%d", number)}
	outer, network := fmt.Sprintf("lso%d", number), fmt.Sprintf("10.213.%d", os.Getpid()%250)
	if output, err := exec.Command("ip", "netns", "add", l.namespace).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: this machine makes no network namespace: %v: %s", err, output)
	}
	t.Cleanup(func() { l.ip("netns", "del", l.namespace) })
	l.ip("link", "add", outer, "type", "veth", "peer", "name", l.inner, "netns", l.namespace)
	l.ip("addr", "add", network+".1/24", "dev", outer)
	l.ip("link", "set", outer, "up")
	l.ip("-n", l.namespace, "addr", "add", network+".2/24", "dev", l.inner)
	l.set("up")
	return l, network + ".2"
}

// set sets the link "up" or "down". While it is down, packets are lost without a word.
func (l *link) set(state string) { l.ip("-n", l.namespace, "link", "set", l.inner, state) }

func (l *link) ip(args ...string) {
	l.t.Helper()
	if output, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, output)
	}
}

// A link that drops everything in the middle of a step ends the update soon and with a clear error. When the link is
// back, the next update succeeds.
func TestALinkIsLost(t *testing.T) {
	t.Parallel()
	l, address := newLink(t)
	endpoint := "tcp://" + address + ":1234"
	r := &lossRun{t: t, dir: t.TempDir(), step: fmt.Sprintf("/busybox sleep 1.%d", os.Getpid())}
	r.killableDaemon = startKillableDaemonIn(t, []string{"nsenter", "--net=/run/netns/" + l.namespace}, endpoint)
	settings := &settings{dialLimit: 3 * time.Second}
	if !*everyLoss { // else the keepalive of the connection has to notice it
		settings.silence = 3 * time.Second
	}
	r.wire = dial(t, newProvider(settings), `{"host": "`+endpoint+`", "allowInsecureTcp": true}`)
	inputs := r.stepInputs()
	var lost time.Time
	r.lose = func() { lost = time.Now(); l.set("down") }
	r.loseAtProcess(true)
	_, err := r.create(inputs)
	if took := time.Since(lost); lost.IsZero() || took > time.Minute {
		t.Errorf("the update took %s more", took)
	}
	for _, want := range []string{
		"on " + endpoint + ": the daemon ", "tried once more: no BuildKit daemon answers at " + endpoint,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if err := stack.WaitUntil(t.Context(), time.Minute, func() bool { return !r.hasStep() }); err != nil {
		t.Errorf("the step goes on: %v", err)
	}
	l.set("up")
	if _, err := r.create(inputs); err != nil {
		t.Error(err)
	}
}
