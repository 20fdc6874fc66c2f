//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An image is not pushed if a test stage fails. The files that the test stage reads count.
func TestTestTargets(t *testing.T) {
	t.Parallel()
	s := open(t,
		project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\ntestTargets: [test]\n",
			map[string]string{
				"Dockerfile": "FROM BUSYBOX AS app\nCOPY code /\n" +
					"FROM app AS test\nCOPY wanted /\nRUN cmp code wanted\nFROM app\n",
				"code": "1", "wanted": "2",
			}))
	fails(t, s.Preview(), "step [test 2/2] RUN cmp code wanted: exit code 1", "code wanted differ")
	fails(t, s.Up("--skip-preview"), "step [test 2/2] RUN cmp code wanted: exit code 1")
	if fetchManifest(t, repository(t)+":1") != nil {
		t.Error("the image was pushed")
	}
	must(t, s.Write("wanted", "1"))
	succeeds(t, s.Up("--skip-preview"))
	succeeds(t, s.Up("--expect-no-changes"))
	must(t, s.Write("wanted", "3"))
	fails(t, s.Up("--skip-preview"), "cmp code wanted: exit code 1")
	succeeds(t, s.Destroy("--skip-preview"))
}

const reproducibleImage = `
context: { location: ./app }
platforms: [linux/amd64]
tags: ["REPO:1"]
annotations: { org.opencontainers.image.vendor: "somebody" }
addHosts: ["db.test:10.0.0.5"]
network: none
sourceDateEpoch: 1700000000
`

// The same program gives the same digest in two folders, even without a cache.
func TestTheSameInputsAreTheSameDigest(t *testing.T) {
	t.Parallel()
	const dockerfile = "FROM BUSYBOX\nCOPY . /app\n" +
		"RUN grep db.test /etc/hosts >/hosts && ls /sys/class/net | tr -d '\\n' | grep -x lo && date >/dev/null\n"
	files := map[string]string{"app/Dockerfile": dockerfile, "app/a": "1", "app/b/c": "2"}
	first := open(t, project(t, reproducibleImage, files))
	succeeds(t, first.Up("--skip-preview"))
	second := open(t, project(t, reproducibleImage+"noCache: true\n", files))
	result := second.Preview()
	succeeds(t, result, "digest    : [unknown]") // without a cache, another build may give another image
	succeeds(t, second.Up("--skip-preview"))
	if a, b := image(t, first).Outputs["digest"], image(t, second).Outputs["digest"]; a != b {
		t.Errorf("%v, then %v", a, b)
	}
	if manifest := string(fetchManifest(t, repository(t)+":1").Manifest); !strings.Contains(manifest,
		`"org.opencontainers.image.vendor":"somebody"`) &&
		!strings.Contains(manifest, `"org.opencontainers.image.vendor": "somebody"`) {
		t.Errorf("the annotation is missing: %s", manifest)
	}
	succeeds(t, first.Up("--expect-no-changes"))
	succeeds(t, first.Destroy("--skip-preview"))
}

// Provenance makes an index, which the outputs show. Each build has another digest, so a preview does not know it.
func TestProvenance(t *testing.T) {
	t.Parallel()
	s := open(t,
		project(t,
			"context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\nprovenance: { mode: max }\n",
			map[string]string{"Dockerfile": "FROM BUSYBOX\nCOPY a /\n", "a": "1"}))
	succeeds(t, s.Preview(), "digest    : [unknown]")
	succeeds(t, s.Up("--skip-preview"))
	outputs := image(t, s).Outputs
	manifests, err := json.Marshal(outputs["manifests"])
	must(t, err)
	if strings.Contains(string(manifests), "unknown") ||
		strings.Contains(string(manifests), outputs["digest"].(string)) {
		t.Errorf("digest %v, manifests %s", outputs["digest"], manifests)
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// An update writes a cache and a preview does not. Another cache causes no build.
func TestCaches(t *testing.T) {
	t.Parallel()
	const properties = "context: { location: ./app }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n" +
		"cacheFrom: [{ registry: { ref: \"REPO:cache\" } }]\n" +
		"cacheTo: [{ registry: { ref: \"REPO:cache,mode=max\" } }, { local: { dest: ./kept, mode: max } }]\n"
	s := open(t,
		project(t, properties,
			map[string]string{"app/Dockerfile": "FROM BUSYBOX\nRUN cat /proc/sys/kernel/random/uuid >/uuid\n"}))
	succeeds(t, s.Preview())
	if fetchManifest(t, repository(t)+":cache") != nil {
		t.Error("the preview wrote the cache")
	}
	succeeds(t, s.Up("--skip-preview"), "cacheFrom: importing cache manifest from "+repository(t)+":cache")
	if fetchManifest(t, repository(t)+":cache") == nil {
		t.Error("the update wrote no cache")
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "kept", "index.json")); err != nil {
		t.Error(err)
	}
	program, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.yaml"))
	must(t, err)
	must(t, s.Write("Pulumi.yaml", strings.ReplaceAll(string(program), ":cache", ":other")))
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// A preview that builds writes exports, as an update does. Another destination is an update with the same image.
//
// No other test may build this layer: a builder keeps the compression that a layer got first.
func TestExports(t *testing.T) {
	t.Parallel()
	const properties = "context: { location: ./app }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n" +
		"exports: [{ oci: { dest: out/image.tar } }, { local: { dest: out/files } }, { registry: { compression: zstd " +
		"} }]\n"
	s := open(t, project(t, properties,
		map[string]string{"app/Dockerfile": "FROM scratch\nCOPY a /\n", "app/a": "exported and compressed"}))
	there := func(path string) bool {
		_, err := os.Stat(filepath.Join(s.Dir, path))
		return err == nil
	}
	succeeds(t, s.Preview())
	if !there("out/image.tar") || !there("out/files/a") {
		t.Error("the preview did not write the exports")
	}
	must(t, os.RemoveAll(filepath.Join(s.Dir, "out")))
	succeeds(t, s.Up("--skip-preview"))
	if !there("out/image.tar") || !there("out/files/a") {
		t.Error("the update did not write the exports")
	}
	if manifest := string(fetchManifest(t, repository(t)+":1").Manifest); !strings.Contains(manifest, "zstd") {
		t.Errorf("the image is written otherwise: %s", manifest)
	}
	digest := image(t, s).Outputs["digest"]
	succeeds(t, s.Up("--expect-no-changes"))
	program, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.yaml"))
	must(t, err)
	must(t, s.Write("Pulumi.yaml", strings.ReplaceAll(string(program), "out/", "other/")))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if !there("other/image.tar") || image(t, s).Outputs["digest"] != digest {
		t.Errorf("digest %v, then %v", digest, image(t, s).Outputs["digest"])
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

func TestLoadWithoutAnEngine(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: ./app }\nload: true\n",
		map[string]string{"app/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	succeeds(t, s.Preview())
	fails(t, s.Up("--skip-preview"), "no Docker Engine answers at ", "start one, set DOCKER_HOST, or leave load out")
}
