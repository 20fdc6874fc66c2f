package buildkit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

const canary = "Canary-Hunter2-/+é"

func secrets(values map[string]string) buildkit.Access {
	access := buildkit.Access{Secrets: map[string]buildkit.Secret{}}
	for id, value := range values {
		access.Secrets[id] = func(context.Context) ([]byte, error) { return []byte(value), nil }
	}
	return access
}

func TestAStepReadsItsSecret(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, `RUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B `+
		`sha256sum </run/secrets/a >/a && printf %s "$B" | wc -c >/b`)
	built, err := s.solve(t.Context(), plan, secrets(map[string]string{"a": canary, "b": "12345"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.fileContent(t, built, "b"); got != "5\n" {
		t.Errorf("b has %q bytes", got)
	}
	if got, want := s.fileContent(t, built, "a"), fmt.Sprintf("%x  -\n", sha256.Sum256([]byte(canary))); got != want {
		t.Errorf("a is %q, want %q", got, want)
	}
}

// A build with another value of the secret takes the step from the cache.
func TestChangedSecretBuildsNothing(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, `RUN --mount=type=secret,id=a cat /proc/sys/kernel/random/uuid >/x && test -s /run/secrets/a`)
	first, err := s.solve(t.Context(), plan, secrets(map[string]string{"a": canary}))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.solve(t.Context(), plan, secrets(map[string]string{"a": "another one"}))
	if err != nil || first.Digest != second.Digest {
		t.Errorf("%v, then %v, %v", first, second, err)
	}
}

// leakSecret is a step that prints its secrets in all the forms that redaction finds.
const leakSecret = `RUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B ` +
	`cat /run/secrets/a && cat /run/secrets/a >&2 && echo && ` +
	`for c in $(cat /run/secrets/a | sed "s/./& /g"); do printf %s "$c"; done && echo && base64 </run/secrets/a && ` +
	`printf user:%s "$B" | base64 && echo "--token=$B" && `

func TestASecretIsSeenNowhere(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, leakSecret+"touch /done")
	plan.Labels = map[string]string{"a": "b"}
	access := secrets(map[string]string{"a": canary, "b": canary})
	asked := 0
	access.Secrets["a"] = func(context.Context) ([]byte, error) {
		asked++
		wantNoCanary(t, "the processes of this machine", processArguments(t))
		return []byte(canary), nil
	}
	built, err := s.solve(t.Context(), plan, access)
	if err != nil || asked < 2 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
	config, err := s.image(t, built).RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	wantNoCanary(t, "the image's configuration and history", config)
	layers, err := s.image(t, built).Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		wantNoCanary(t, "a layer", data)
	}
	events, err := json.Marshal(s.events)
	if err != nil {
		t.Fatal(err)
	}
	wantNoCanary(t, "what a person is shown", events)
	wantNoCanary(t, "the daemon's folder", daemonFiles(t, shared.Dir))
}

func TestAFailingStepShowsNoSecret(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	_, err := s.solve(t.Context(), s.plan(t, leakSecret+"exit 3"), secrets(map[string]string{"a": canary, "b": canary}))
	var step *buildkit.StepError
	if !errors.As(err, &step) || step.ExitCode != 3 {
		t.Fatalf("got %v", err)
	}
	wantNoCanary(t, "the error", []byte(err.Error()))
	if output := strings.Join(step.Output, "\n"); strings.Count(output, "[secret]") < 5 ||
		!strings.Contains(output, "--token=[secret]") {
		t.Errorf("the output does not say where a secret was:\n%s", output)
	}
}

func TestMissingSecret(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	cases := map[string]struct {
		dockerfile string
		want       []string
	}{
		"required by the mount": {`RUN --mount=type=secret,id=npm,required=true true`,
			[]string{"RUN --mount=type=secret,id=npm,required=true true"}},
		"read by the step": {`RUN --mount=type=secret,id=npm cat /run/secrets/npm`,
			[]string{"No such file or directory"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.solve(t.Context(), s.plan(t, c.dockerfile), secrets(map[string]string{"npn": canary}))
			if step, ok := errors.AsType[*buildkit.StepError](err); !ok ||
				!slices.Equal(step.MissingSecrets, []string{"npm"}) {
				t.Errorf("missing: %v", err)
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q in it", err, want)
				}
			}
		})
	}
	if _, err := s.solve(t.Context(), s.plan(t, `RUN --mount=type=secret,id=opt true`), buildkit.Access{}); err != nil {
		t.Errorf("an optional secret that was not given: %v", err)
	}
}

// A secret that cannot be looked up ends the build before it starts.
func TestUnreadableSecretEndsTheBuildAtOnce(t *testing.T) {
	t.Parallel()
	missing := func(context.Context) ([]byte, error) { return nil, errors.New("no such variable") }
	tooLong := func(context.Context) ([]byte, error) { return make([]byte, buildkit.SecretLimit+1), nil }
	for want, secret := range map[string]buildkit.Secret{
		`the secret "a": no such variable`:                           missing,
		`the secret "a": it has 512001 bytes, BuildKit takes 512000`: tooLong,
	} {
		s := newStepBuilder(t)
		_, err := s.solve(
			t.Context(), s.plan(t, "RUN true"), buildkit.Access{Secrets: map[string]buildkit.Secret{"a": secret}},
		)
		if err == nil || !strings.HasPrefix(err.Error(), want) || len(s.events) > 0 {
			t.Errorf("got %v after %v, want %s", err, s.events, want)
		}
	}
}

func wantNoCanary(t *testing.T, where string, data []byte) {
	t.Helper()
	for _, form := range []string{"Hunter2", "Q2FuYXJ5LUh1bnRlcjIt", "DYW5hcnktSHVudGVyMi", "hbmFyeS1IdW50ZXIyL"} {
		if i := bytes.Index(data, []byte(form)); i >= 0 {
			t.Errorf("%s: the secret is there as %q: …%q…", where, form, data[max(0, i-80):min(len(data), i+80)])
		}
	}
}

// processArguments returns the arguments of every process.
func processArguments(t *testing.T) (all []byte) {
	t.Helper()
	for _, pid := range daemontest.ProcessIDs() {
		all = append(all, daemontest.ProcessArguments(pid)...)
	}
	if len(all) == 0 {
		t.Fatal("no process has arguments")
	}
	return all
}

// daemonFiles returns the content of the daemon's files. It skips the snapshots, and the files of runc about running
// steps, which belong to other tests.
func daemonFiles(t *testing.T, dir string) (all []byte) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil: // other tests go on
			return nil
		case d.IsDir() && (d.Name() == "snapshots" || d.Name() == "executor"):
			return fs.SkipDir
		case d.Type().IsRegular():
			data, _ := os.ReadFile(path)
			all = append(all, data...)
		}
		return nil
	})
	if len(all) == 0 {
		t.Error("the daemon has no files")
	}
	return all
}
