package provider

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func TestNetworkInTheErrorOfABuild(t *testing.T) {
	t.Parallel()
	step, other := &buildkit.StepError{ExitCode: 1}, errors.New("something else")
	const offline = "/dev/net/tun: operation not permitted"
	for name, c := range map[string]struct {
		network    string
		err, ended error
		offline    string
		want       string // "" is the error itself
	}{
		"a step": {err: step},
		"a step without a network": {err: step, offline: offline,
			want: "steps have no network on this machine: " + offline + ". Run modprobe tun"},
		"a step that wanted none":         {err: step, offline: offline, network: "none"},
		"a step in the machine's network": {err: step, offline: offline, network: "host"},
		"no step":                         {err: other, offline: offline},
		"a step that did not come to run": {err: &buildkit.StepError{Reason: "x"}, offline: offline},
		"a daemon that is gone": {err: other, ended: errors.New("killed"),
			want: "ended during the build: killed. Run it again. The build itself ended with: something else"},
		"a daemon that is gone with a step": {err: step, ended: errors.New("killed"),
			want: "ended during the build: killed."},
	} {
		got := networkError(inputs.Plan{Network: c.network}, c.err, c.ended, c.offline)
		isSame := got == c.err //nolint:errorlint // an unchanged error
		if !errors.Is(got, c.err) || c.want == "" && !isSame || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Our BuildKit in a Docker Engine tells why its steps have no network, too.
func TestOfflineStepInAnEngine(t *testing.T) {
	t.Parallel()
	step := &buildkit.StepError{ExitCode: 1, Reason: "exit code: 1"}
	got := engineNetworkError(inputs.Plan{}, step, "no /dev/net/tun")
	if !errors.Is(got, step) ||
		!strings.Contains(got.Error(), "steps have no network in the Docker Engine: no /dev/net/tun") {
		t.Errorf("got %v", got)
	}
	for _, c := range []struct{ network, offline string }{{network: "none", offline: "no device"}, {}} {
		got := engineNetworkError(inputs.Plan{Network: c.network}, step, c.offline)
		if got != error(step) { //nolint:errorlint // unchanged
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestProxyOnTheLoopback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value, host string
		want              bool
	}{
		{name: "HTTP_PROXY", value: "http://127.0.0.1:3128", host: "127.0.0.1", want: true},
		{name: "https_proxy", value: "localhost:3128", host: "localhost", want: true},
		{name: "Http_Proxy", value: "http://user:secret@LOCALHOST.:3128/", host: "localhost", want: true},
		{name: "ALL_PROXY", value: "socks5://[::1]:1080", host: "::1", want: true},
		{name: "all_proxy", value: "socks5://[::ffff:127.0.0.1]:1080", host: "::ffff:127.0.0.1", want: true},
		{name: "ftp_proxy", value: "http://0.0.0.0:21", host: "0.0.0.0", want: true},
		{name: "HTTP_PROXY", value: "http://127.1.2.3", host: "127.1.2.3", want: true},
		{name: "HTTP_PROXY", value: "http://proxy.example.com:3128", host: "proxy.example.com"},
		{name: "HTTP_PROXY", value: "http://10.0.0.1:3128", host: "10.0.0.1"},
		{name: "NO_PROXY", value: "localhost,127.0.0.1"},
		{name: "URL", value: "http://127.0.0.1"},
		{name: "HTTP_PROXY", value: "http://[::1", host: ""},
	} {
		host, got := loopbackProxy(c.name, c.value)
		if host != c.host || got != c.want {
			t.Errorf("%s=%s: %q, %v; want %q, %v", c.name, c.value, host, got, c.host, c.want)
		}
	}
}
