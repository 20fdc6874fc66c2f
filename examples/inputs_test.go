//go:build linux

package examples

import (
	"encoding/json"
	"strings"
	"testing"
)

// A test stage that fails keeps the image from being pushed; what it reads is what the image reads.
func TestTestTargets(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\ntestTargets: [test]\n", map[string]string{
		"Dockerfile": "FROM BUSYBOX AS app\nCOPY code /\nFROM app AS test\nCOPY wanted /\nRUN cmp code wanted\nFROM app\n",
		"code":       "1", "wanted": "2",
	}))
	fails(t, s.Preview(), "step [test 2/2] RUN cmp code wanted: exit code 1", "code wanted differ")
	fails(t, s.Up("--skip-preview"), "step [test 2/2] RUN cmp code wanted: exit code 1")
	if served(t, repository(t)+":1") != nil {
		t.Error("the image was pushed")
	}
	edit(t, s.Write("wanted", "1"))
	ok(t, s.Up("--skip-preview"))
	ok(t, s.Up("--expect-no-changes"))
	edit(t, s.Write("wanted", "3"))
	fails(t, s.Up("--skip-preview"), "cmp code wanted: exit code 1")
	ok(t, s.Destroy("--skip-preview"))
}

const described = `
context: { location: ./app }
platforms: [linux/amd64]
tags: ["REPO:1"]
annotations: { org.opencontainers.image.vendor: "somebody" }
addHosts: ["db.test:10.0.0.5"]
network: none
sourceDateEpoch: 1700000000
`

// The same program in two folders is one digest, also where the daemon has nothing of it.
func TestTheSameInputsAreTheSameDigest(t *testing.T) {
	t.Parallel()
	const dockerfile = "FROM BUSYBOX\nCOPY . /app\nRUN grep db.test /etc/hosts >/hosts && ls /sys/class/net | tr -d '\\n' | grep -x lo && date >/dev/null\n"
	files := map[string]string{"app/Dockerfile": dockerfile, "app/a": "1", "app/b/c": "2"}
	first := open(t, project(t, described, files))
	ok(t, first.Up("--skip-preview"))
	second := open(t, project(t, described+"noCache: true\n", files))
	result := second.Preview()
	ok(t, result, "digest    : [unknown]") // without the cache another build could be another image
	ok(t, second.Up("--skip-preview"))
	if a, b := image(t, first).Outputs["digest"], image(t, second).Outputs["digest"]; a != b {
		t.Errorf("%v, then %v", a, b)
	}
	if manifest := string(served(t, repository(t)+":1").Manifest); !strings.Contains(manifest, `"org.opencontainers.image.vendor":"somebody"`) &&
		!strings.Contains(manifest, `"org.opencontainers.image.vendor": "somebody"`) {
		t.Errorf("the annotation is missing: %s", manifest)
	}
	ok(t, first.Up("--expect-no-changes"))
	ok(t, first.Destroy("--skip-preview"))
}

// Provenance makes an index, which the outputs know, and another digest with every build, which previews do not tell.
func TestProvenance(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\nprovenance: { mode: max }\n",
		map[string]string{"Dockerfile": "FROM BUSYBOX\nCOPY a /\n", "a": "1"}))
	ok(t, s.Preview(), "digest    : [unknown]")
	ok(t, s.Up("--skip-preview"))
	outputs := image(t, s).Outputs
	manifests, err := json.Marshal(outputs["manifests"])
	edit(t, err)
	if strings.Contains(string(manifests), "unknown") || strings.Contains(string(manifests), outputs["digest"].(string)) {
		t.Errorf("digest %v, manifests %s", outputs["digest"], manifests)
	}
	ok(t, s.Up("--expect-no-changes"))
	ok(t, s.Destroy("--skip-preview"))
}
