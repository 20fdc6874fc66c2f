package buildkit_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// attestations returns the in-toto statements of the only platform, by the type of their predicate.
func (s *stepBuilder) attestations(t *testing.T, built buildkit.Built) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range s.document(t, built.Digest).Manifests {
		if m.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
			continue
		}
		for _, layer := range s.document(t, m.Digest.String()).Layers {
			found[layer.Annotations["in-toto.io/predicate-type"]] = s.blob(t, layer.Digest.String())
		}
	}
	return found
}

func (s *stepBuilder) blob(t *testing.T, digest string) string {
	t.Helper()
	host, path, _ := strings.Cut(s.repository, "/")
	req, err := http.NewRequestWithContext(
		t.Context(), http.MethodGet, "http://"+host+"/v2/"+path+"/blobs/"+digest, nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	return string(text)
}

const slsa = "https://slsa.dev/provenance/v1"

// Provenance records the options of the frontend, without the test targets. It has the names of secrets and not their
// values.
func TestProvenanceRecordsTheBuild(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for mode, full := range map[string]bool{"min": false, "max": true} {
		plan := s.plan(t, "ARG VERSION\nRUN --mount=type=secret,id=npm echo $VERSION; cat /run/secrets/npm\n"+
			"FROM base AS test\nRUN true\nFROM base\nRUN --mount=type=secret,id=npm cat /run/secrets/npm")
		plan.Provenance, plan.TestTargets = mode, []string{"test"}
		plan.BuildArgs = map[string]string{"VERSION": "v1.2.3"}
		built, err := s.solve(t.Context(), plan, secrets(map[string]string{"npm": canary}))
		if err != nil {
			t.Fatal(err)
		}
		text := s.attestations(t, built)[slsa]
		wantNoCanary(t, "the provenance", []byte(text))
		var p struct {
			Predicate struct {
				BuildDefinition struct {
					ExternalParameters struct {
						Request struct {
							Frontend string
							Args     map[string]string
						}
					}
					ResolvedDependencies []struct{ URI string }
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		definition := p.Predicate.BuildDefinition
		request := definition.ExternalParameters.Request
		if request.Frontend != "dockerfile.v0" || full != (request.Args["build-arg:VERSION"] == "v1.2.3") ||
			request.Args["target"] != "" {
			t.Errorf("%s: %s", mode, text)
		}
		if len(definition.ResolvedDependencies) != 1 ||
			!strings.Contains(definition.ResolvedDependencies[0].URI, "busybox") {
			t.Errorf("%s: materials %v", mode, definition.ResolvedDependencies)
		}
	}
}

// With provenance the daemon's frontend builds. It, too, reads only what was hashed.
func TestProvenanceReadsNothingThatWasNotHashed(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	registry := registrytest.New(t)
	image := registrytest.Image(t, "linux/amd64")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.OnBuild = []string{"COPY secret /stolen"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	registry.Push(t, "base:1", image)
	plan := inlinePlan(t.TempDir(), "FROM "+registry.Host()+"/base:1\nCOPY a /a")
	plan.Provenance, plan.Repositories = "min", []string{s.repository}
	writeAlike(t, plan.Files.Context, map[string]string{"a": "a", "secret": "hidden"})
	_, err = s.solve(t.Context(), plan, buildkit.Access{})
	if unhashed := new(inputs.UnhashedError); !errors.As(err, &unhashed) || unhashed.Path != "secret" {
		t.Errorf("got %v", err)
	}
}

func TestStepErrorWithProvenance(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN echo so it is; exit 3")
	plan.Provenance = "max"
	_, err := s.solve(t.Context(), plan, buildkit.Access{})
	var step *buildkit.StepError
	if !errors.As(err, &step) || step.ExitCode != 3 || step.Step.Position != "stage-1 1/1" ||
		step.Step.Platform == "" || strings.Join(step.Output, "") != "so it is" {
		t.Errorf("got %v", err)
	}
}

// generator is an SBOM generator of BuildKit's scanner protocol. It lists the files that it sees.
const generator = `ENTRYPOINT ["/bin/sh", "-c", "echo '{\"_type\": \"https://in-toto.io/Statement/v0.1\", ` +
	`\"predicateType\": \"https://spdx.dev/Document\", ` +
	`\"predicate\": {\"files\": \"'$(ls $BUILDKIT_SCAN_SOURCE)'\"}}' ` +
	`>$BUILDKIT_SCAN_DESTINATION/scan.spdx.json"]`

func TestSBOMIsMadeByTheGenerator(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	scanner := s.mustBuild(t, s.plan(t, generator))
	plan := s.plan(t, "")
	plan.Files.Inline = []byte("FROM scratch\nCOPY a /inside\n")
	writeAlike(t, plan.Files.Context, map[string]string{"a": "a", "other": "not read"})
	plan.SBOM = s.repository + "@" + scanner.Digest
	in, err := inputs.Load(t.Context(), plan)
	if err != nil || !in.Certain {
		t.Errorf("the generator makes it uncertain what is read: %v", err)
	}
	found := s.attestations(t, s.mustBuild(t, plan))
	if text := found["https://spdx.dev/Document"]; !strings.Contains(text, "inside") || found[slsa] != "" {
		t.Errorf("got %v", found)
	}
	plan.Files.Inline = []byte("ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch\nCOPY <<EOF /here\nhere\nEOF\n")
	before := s.mustBuild(t, plan) // what is scanned was hashed
	if in, err = inputs.Load(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	writeAlike(t, plan.Files.Context, map[string]string{"other": "scanned"})
	if changed, err := inputs.Load(t.Context(), plan); err != nil || changed.Hash() == in.Hash() ||
		before.Digest == "" {
		t.Errorf("the hash does not know of what is scanned: %v", err)
	}
}
