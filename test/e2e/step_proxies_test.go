//go:build linux

package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const proxiedDockerfile = `FROM BUSYBOX
COPY fail /
ARG HTTP_PROXY
ARG https_proxy
RUN echo "http is ${HTTP_PROXY##*[@/]} and ${http_proxy##*[@/]}" && \
    echo "https is ${HTTPS_PROXY##*[@/]} and ${https_proxy##*[@/]}, none is $NO_PROXY and $no_proxy" && \
    env | grep -i proxy && test ! -s /fail
`

// openWithProxies copies the program and runs it with proxies in Docker's configuration, whose path it returns.
func openWithProxies(t *testing.T, properties, proxies string) (s *stack.Test, config string) {
	t.Helper()
	folder := t.TempDir()
	config = filepath.Join(folder, "config.json")
	must(t, os.WriteFile(config, []byte(`{"proxies": {"default": `+proxies+`}}`), 0o600))
	files := map[string]string{"Dockerfile": proxiedDockerfile, "fail": "yes"}
	return stack.New(t, stack.Config{
		Bin: shared.Bin, Program: project(t, properties, files), Env: []string{"DOCKER_CONFIG=" + folder},
	}), config
}

// Steps have the proxies of Docker's configuration, as with docker build, whether the Dockerfile declares them or not.
// No password is in the output, the state, the image or its provenance, and another proxy is no reason to build.
func TestStepsHaveTheProxiesOfDocker(t *testing.T) {
	t.Parallel()
	password := stack.Canary("proxy-password")
	s, config := openWithProxies(t, `
context: { location: . }
platforms: [linux/amd64]
tags: ["REPO:1"]
provenance: { mode: min }
`, `{"httpProxy": "http://me:`+password+`@proxy.example:3128",
		"httpsProxy": "me:`+password+`@secure.example:3128", "noProxy": "here.example"}`)
	failed := s.Up("--skip-preview")
	fails(t, failed, "http is proxy.example:3128 and proxy.example:3128",
		"https is secure.example:3128 and secure.example:3128, none is here.example and here.example", "[secret]")
	checkPassword := func(r stack.Result) {
		t.Helper()
		if linesWith(r.All(), password) > 0 {
			t.Errorf("the password is shown:\n%s", r.All())
		}
		if leaky := filesWith(t, filepath.Dir(s.Dir), password); len(leaky) > 0 {
			t.Errorf("the password is in %v", leaky)
		}
	}
	checkImage := func() {
		t.Helper()
		for _, text := range publicTexts(t, repository(t)+":1") {
			if strings.Contains(text, password) || strings.Contains(text, "proxy.example") {
				t.Errorf("the image shows the proxy: %s", text)
			}
		}
	}
	checkPassword(failed)
	must(t, s.Write("fail", ""))
	up := s.Up("--skip-preview")
	succeeds(t, up)
	checkPassword(up)
	checkImage()

	changeProgram(t, s, "mode: min", "mode: max")
	up = s.Up("--skip-preview", "--debug")
	succeeds(t, up, "steps do not get HTTPS_PROXY, HTTP_PROXY of the Docker configuration, because a provenance with "+
		"mode max shows everybody the password")
	checkPassword(up)
	checkImage()

	must(t, os.WriteFile(config, []byte(`{}`), 0o600))
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// A build argument wins over the proxy of Docker's configuration, in any case of its letters.
func TestABuildArgumentWinsOverTheProxyOfDocker(t *testing.T) {
	t.Parallel()
	s, _ := openWithProxies(t, `
context: { location: . }
platforms: [linux/amd64]
buildArgs: { http_proxy: "http://own.example:1" }
`, `{"httpProxy": "http://proxy.example:3128", "httpsProxy": "http://localhost:3128"}`)
	fails(t, s.Up("--skip-preview"), "http is own.example:1 and own.example:1", "https is localhost:3128",
		"proxies of the Docker configuration: HTTPS_PROXY names a proxy on localhost")
}

// Steps that a Docker Engine builds have the proxies of that engine. Any other builder has the default ones.
func TestStepsHaveTheProxiesOfTheirDockerEngine(t *testing.T) {
	t.Parallel()
	host, folder := containerdEngine.Host(t), t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"proxies": {
		"`+host+`": {"httpProxy": "http://engine.example:1", "noProxy": "engine"},
		"default": {"httpProxy": "http://default.example:1", "httpsProxy": "http://default.example:2"}}}`), 0o600))
	files := map[string]string{"Dockerfile": proxiedDockerfile, "fail": "yes"}
	const properties = "context: { location: . }\nplatforms: [linux/amd64]\nnetwork: none\n"
	onEngine := stack.New(t, stack.Config{
		Bin: shared.Bin, Env: []string{"DOCKER_CONFIG=" + folder},
		Program: project(t, properties+endpointOf(t, &containerdEngine), files),
	})
	fails(t, onEngine.Up("--skip-preview"), "http is engine.example:1 and engine.example:1",
		"https is  and , none is engine and engine")
	embedded := stack.New(t, stack.Config{
		Bin: shared.Bin, Env: []string{"DOCKER_CONFIG=" + folder}, Program: project(t, properties, files),
	})
	fails(t, embedded.Up("--skip-preview"), "http is default.example:1 and default.example:1",
		"https is default.example:2 and default.example:2, none is  and\n")
}

// publicTexts returns the manifests, configurations and attestations behind a reference.
func publicTexts(t *testing.T, reference string) (texts []string) {
	t.Helper()
	ref, err := name.ParseReference(reference)
	must(t, err)
	index, err := remote.Index(ref, remote.WithContext(t.Context()))
	must(t, err)
	manifest, err := index.IndexManifest()
	must(t, err)
	for _, one := range manifest.Manifests {
		image, err := index.Image(one.Digest)
		must(t, err)
		raw, err := image.RawManifest()
		must(t, err)
		config, err := image.RawConfigFile()
		must(t, err)
		texts = append(texts, string(raw), string(config))
		layers, err := image.Layers()
		must(t, err)
		for _, layer := range layers {
			if kind, err := layer.MediaType(); err != nil || !strings.Contains(string(kind), "in-toto") {
				continue
			}
			content, err := layer.Compressed()
			must(t, err)
			statement, err := io.ReadAll(content)
			must(t, err)
			texts = append(texts, string(statement))
		}
	}
	if len(texts) < 5 {
		t.Errorf("%s has no attestation: %d texts", reference, len(texts))
	}
	return texts
}
