package endpoint_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]endpoint.Kind{
		"unix:///run/b.sock":                       endpoint.Daemon,
		"unix:///run/user/1000/buildkit/b.sock":    endpoint.Daemon,
		"tcp://host:1234":                          endpoint.Daemon,
		"tcp://[::1]:1234":                         endpoint.Daemon,
		"docker-container://build":                 endpoint.Daemon,
		"docker-container://build?context=colima":  endpoint.Daemon,
		"podman-container://build":                 endpoint.Daemon,
		"nerdctl-container://build?namespace=ci":   endpoint.Daemon,
		"kube-pod://buildkitd-0?namespace=ci":      endpoint.Daemon,
		"ssh://me@host":                            endpoint.Daemon,
		"ssh://me@host:22/run/b.sock":              endpoint.Daemon,
		"docker://":                                endpoint.Engine,
		"docker://colima":                          endpoint.Engine,
		"unix:///var/run/docker.sock":              endpoint.Engine,
		"unix:///Users/me/.docker/run/docker.sock": endpoint.Engine,
		"tcp://127.0.0.1:2375":                     endpoint.Engine,
		"tcp://build.internal:2376":                endpoint.Engine,
		"npipe:////./pipe/docker_engine":           endpoint.Engine,
		"local://":                                 endpoint.Embedded,
	} {
		e, err := endpoint.Parse(address)
		if err != nil || e.Kind() != want || e.String() != address {
			t.Errorf("%s: kind %d, %v; want %d", address, e.Kind(), err, want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                             "is not an endpoint",
		"/run/b.sock":                  "is not an endpoint",
		"unix://":                      "is not an endpoint",
		"unix://run/b.sock":            "has an absolute path",
		"tcp://host":                   "a tcp:// endpoint has a port",
		"http://host":                  "the scheme http:// is not known",
		"local:///run":                 "and has no address",
		"docker-container://":          "url lacks container name",
		"kube-pod://A_B":               "unsupported pod name",
		"ssh://me@host?x=y":            "extra query",
		"tcp://me:canary@127.0.0.1:1":  "no user and no password",
		"ssh://me:canary@build.server": "has no password",
	} {
		_, err := endpoint.Parse(address)
		if _, ok := errors.AsType[*endpoint.SyntaxError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: the error shows the password: %v", address, err)
		}
	}
}
