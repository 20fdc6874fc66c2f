package buildkit

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestPlanBecomesOptions(t *testing.T) {
	t.Parallel()
	plans := map[string]struct {
		plan inputs.Plan
		text inputs.Texts
	}{
		"least": {text: inputs.Texts{Name: "Dockerfile", Dockerfile: []byte("FROM scratch")}},
		"all": {
			text: inputs.Texts{
				Name: "Dockerfile.prod", Dockerfile: []byte("# syntax=docker/dockerfile:1\nFROM scratch"),
			},
			plan: inputs.Plan{
				Files:       inputs.Files{Named: map[string]string{"go": "", "dockerfile": ""}},
				Platforms:   []string{"linux/amd64", "linux/arm64"},
				Target:      "app",
				BuildArgs:   map[string]string{"VERSION": "1", "EMPTY": ""},
				Labels:      map[string]string{"org.opencontainers.image.title": "a,b=c"},
				Annotations: map[string]string{"org.opencontainers.image.source": "https://a,b=c"},
				TestTargets: []string{"test"},
				Network:     "none",
				Hosts: []inputs.Host{
					{
						Name: "db", IP: netip.MustParseAddr("10.0.0.5"),
					}, {Name: "six", IP: netip.MustParseAddr("fd00::5")},
				},
				NoCache: true,
				Limits: inputs.Limits{
					Memory: 2 << 30, MemorySwap: -1, CPUQuota: 150_000, CPUShares: 512, CPUSetCPUs: "0-3,5",
					CPUSetMems: "0", ShmSize: 128 << 20, Ulimits: []string{"core=0:0", "nofile=1024:2048"},
					CgroupParent: "/builds",
				},
				Epoch:        new(int64),
				Provenance:   "max",
				SBOM:         "docker/buildkit-syft-scanner:stable-1",
				Repositories: []string{"registry.example.com/a", "docker.io/user/b"},
			},
		},
	}
	for name, c := range plans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(
				map[string]any{
					"frontend": c.plan.FrontendOptions(c.text),
					"exports":  imageExport(c.plan, c.plan.Repositories).Attrs,
				},
				"", "  ",
			)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, filepath.Join("testdata", "options-"+name+".json"), append(got, '\n'))
		})
	}
}

// An export is either strict or lax with all of its repositories. A password must not go over plain HTTP to a
// repository that is not insecure.
func TestInsecureRepositoriesHaveAnExportOfTheirOwn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "a,b ", "b": "a  b true", "a,b": "a,b true"} {
		p := inputs.Plan{Repositories: []string{"a", "b"}}
		if text != "" {
			p.Insecure = strings.Split(text, ",")
		}
		var got []string
		for _, e := range imageExports(p) {
			got = append(got, e.Attrs["name"]+" "+e.Attrs["registry.insecure"])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is different; if that is meant, run the test with -update\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
