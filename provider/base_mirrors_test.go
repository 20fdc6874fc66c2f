package provider

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// The digest of a base image comes from a mirror only if the builder of the image may ask it. A builder that ignores
// mirrors pulls from the registry, whose image may be newer.
func TestBaseDigestsAreThoseOfTheBuilder(t *testing.T) {
	store := t.TempDir()
	for name, value := range map[string]string{
		"BUILDX_CONFIG": store, "BUILDX_BUILDER": "", "BUILDKIT_HOST": "", "DOCKER_HOST": "", "DOCKER_CONTEXT": "",
	} {
		t.Setenv(name, value)
	}
	err := os.Mkdir(filepath.Join(store, "instances"), 0o700)
	for name, text := range map[string]string{
		"far":  `{"Name":"far","Driver":"remote","Nodes":[{"Name":"a","Endpoint":"unix:///var/run/docker.sock"}]}`,
		"here": `{"Name":"here","Driver":"docker","Nodes":[{"Name":"a","Endpoint":"unix:///var/run/docker.sock"}]}`,
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(store, "instances", name), []byte(text), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	origin, mirror := registrytest.New(t), registrytest.New(t)
	fresh := origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	old := mirror.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	for _, test := range []struct{ config, more, environment, want string }{
		{config: ``, want: old},
		{config: `"host": "local://", `, want: old},
		{config: `"host": "docker://", `, want: old},
		{config: `"host": "unix:///var/run/docker.sock", `, want: old},
		{config: `"host": "unix:///run/buildkit/buildkitd.sock", `, want: fresh},
		{config: `"host": "tcp://127.0.0.1:1234", `, more: `"builder": {"endpoint": "local://"}, `, want: old},
		{config: `"host": "tcp://127.0.0.1:1234", `, more: `"builder": {"endpoint": "?"}, `, want: old},
		{config: `"host": "local://", `, more: `"builder": {"endpoint": "ssh://build.example.com"}, `, want: fresh},
		{more: `"builder": {"name": "far"}, `, want: fresh},
		{more: `"builder": {"name": "here"}, `, want: old},
		{more: `"builder": {"name": "missing"}, `, want: old},
		{environment: "docker-container://buildkitd", want: fresh},
		{environment: "local://", want: old},
		{config: `"builders": [{"endpoint": "local://"}, {"endpoint": "docker://"}], `, want: old},
		{config: `"builders": [{"endpoint": "local://"}, {"endpoint": "tcp://127.0.0.1:1"}], `, want: fresh},
		{config: `"builders": [{"name": "here"}, {"name": "far"}], `, want: fresh},
	} {
		t.Run(test.config+test.more+test.environment, func(t *testing.T) {
			t.Setenv("BUILDKIT_HOST", test.environment)
			w := dial(t, New(nil), `{`+test.config+`"mirrors": {"`+origin.Host()+`": ["`+mirror.Host()+`"]}}`)
			if got := w.baseDigest(t, origin.Host()+"/base:1", test.more); got != test.want {
				t.Errorf("got %s, want %s; the mirror has %s", got, test.want, old)
			}
		})
	}
}

// In a network where only mirrors answer, pull asks them although the builder takes mirrors from its own configuration.
// A registry that answers is believed. Nobody waits twice for one that does not answer.
func TestMirrorsOfASilentRegistry(t *testing.T) {
	t.Parallel()
	mirror, empty := registrytest.New(t), registrytest.New(t)
	want := mirror.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	silent := listenSilently(t)
	hosts := []string{"127.0.0.1:1", silent.address, empty.Host()}
	var mirrors []string
	for _, host := range hosts {
		mirrors = append(mirrors, `"`+host+`": ["`+mirror.Host()+`"]`)
	}
	s := &settings{registry: registry.Options{Timeout: 2 * time.Second, RetryWaits: []time.Duration{}}}
	w := dial(t, newProvider(s), `{"host": "tcp://127.0.0.1:1", "mirrors": {`+strings.Join(mirrors, ", ")+`}}`)
	for _, host := range hosts[:2] {
		if got := w.baseDigest(t, host+"/base:1", ""); got != want {
			t.Errorf("%s: got %q, want %s of the mirror", host, got, want)
		}
		connections := silent.accepted.Load()
		if got := w.baseDigest(t, host+"/base:1", ""); got != want || silent.accepted.Load() != connections {
			t.Errorf("%s again: got %q, want %s of the mirror, without a look at the registry", host, got, want)
		}
		line := "pull: nothing answers at " + host + ", so its mirrors are asked: "
		if log := w.logText(); strings.Count(log, line) != 1 {
			t.Errorf("the log does not say %q once: %s", line, log)
		}
	}
	failures := w.checkPull(t, empty.Host()+"/base:1", "").GetFailures()
	if len(failures) != 1 || !strings.Contains(failures[0].GetReason(), "not found") {
		t.Errorf("the mirror was asked for what the registry does not have: %v", failures)
	}
}
