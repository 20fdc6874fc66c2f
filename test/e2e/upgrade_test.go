//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/pulumi/providertest"
	"github.com/pulumi/providertest/grpclog"
	"github.com/pulumi/providertest/optproviderupgrade"
	"github.com/pulumi/providertest/pulumitest"
	"github.com/pulumi/providertest/pulumitest/assertpreview"
	"github.com/pulumi/providertest/pulumitest/optnewstack"
	"github.com/pulumi/providertest/pulumitest/opttest"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

var record = flag.String("record", "",
	"the version of which TestUpgrade records the state anew, with the plugin as it is now")

// recordings has a folder for each version: its program, the state that it left, and its calls with the engine.
//
// To add a version, copy the program of the previous one, add what is new, and run:
//
//	go test ./test/e2e -run TestUpgrade -record 1.2.3
const recordings = "testdata/upgrade"

// recordedRegistry is the registry of recorded programs. Nothing answers there, and a preview without changes must not
// ask.
const recordedRegistry = "registry.example.com"

// The state of an earlier version is up to date, so an upgrade of the plugin changes nothing.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	versions, err := os.ReadDir(recordings)
	if err != nil || len(versions) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, version := range versions {
		t.Run(version.Name(), func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(recordings, version.Name())
			if *record == version.Name() {
				recordState(t, folder)
			}
			preview := previewUpgrade(t, filepath.Join(folder, "program"), folder)
			assertpreview.HasNoChanges(t, preview)
			if same := preview.ChangeSummary["same"]; same < 4 {
				t.Errorf("%d resources are the same:\n%s", same, preview.StdOut)
			}
		})
	}
}

// previewUpgrade previews a program with the state in a folder. It records the state first if there is none.
func previewUpgrade(t *testing.T, program, recorded string) auto.PreviewResult {
	t.Helper()
	cli, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: filepath.Dir(shared.Bin),
		SkipVersionCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	plugin := opttest.LocalProviderPath("buildkit", shared.Bin)
	test := pulumitest.NewPulumiTest(t, program, plugin,
		opttest.SkipInstall(),
		opttest.NewStackOptions(optnewstack.DisableAutoDestroy()),
		opttest.WorkspaceOptions(auto.Pulumi(cli), auto.PulumiHome(t.TempDir())),
		opttest.Env("PULUMI_SKIP_UPDATE_CHECK", "true"),
		opttest.Env("PULUMI_BUILDKIT_DAEMON_DIR", shared.Daemon),
		opttest.Env("PULUMI_BUILDKIT_DAEMON_IDLE", "5s"),
	)
	return providertest.PreviewProviderUpgrade(t, test, "buildkit", "recorded",
		optproviderupgrade.CacheDir(recorded), optproviderupgrade.BaselineOpts(plugin))
}

// recordState runs the program with the tests' registry and keeps its state, with recordedRegistry in place of that
// registry.
func recordState(t *testing.T, folder string) {
	t.Helper()
	program, fresh := filepath.Join(t.TempDir(), "program"), t.TempDir()
	if err := os.CopyFS(program, os.DirFS(filepath.Join(folder, "program"))); err != nil {
		t.Fatal(err)
	}
	here := []byte(shared.Registry.Host)
	rewriteFile(t, filepath.Join(program, "Pulumi.yaml"),
		func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(recordedRegistry), here) })
	assertpreview.HasNoChanges(t, previewUpgrade(t, program, fresh))
	keepResourceCalls(t, filepath.Join(fresh, "grpc.json"))
	rewriteFile(t, filepath.Join(fresh, "stack.json"), func(text []byte) []byte { return dropPositions(t, text) })
	for _, name := range []string{"stack.json", "grpc.json"} {
		rewriteFile(t, filepath.Join(fresh, name), func(text []byte) []byte {
			text = bytes.ReplaceAll(text, here, []byte(recordedRegistry))
			text = statusServer.ReplaceAll(text, nil)
			if found := localPattern.Find(text); found != nil {
				t.Fatalf("%s is about this machine: %s", name, found)
			}
			return text
		})
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// statusServer matches the address and token of the engine's server for views.
var statusServer = regexp.MustCompile(`"resourceStatus(Address|Token)":"[^"]*",`)

// localPattern matches text that means something on one machine only.
var localPattern = regexp.MustCompile(`.*(127\.0\.0\.1|/tmp/|/home/|/root/).*`)

// keepResourceCalls removes from a log all calls that are not about resources. They are about ports and folders.
func keepResourceCalls(t *testing.T, path string) {
	t.Helper()
	log, err := grpclog.LoadLog(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := []grpclog.Method{grpclog.Check, grpclog.Diff, grpclog.Create, grpclog.Update, grpclog.Read}
	log.Entries = slices.DeleteFunc(log.Entries, func(e grpclog.GrpcLogEntry) bool {
		// An entry without a response is the beginning of a call.
		return len(e.Response) == 0 || !slices.Contains(kept, grpclog.Method(e.Method))
	})
	if err := log.WriteTo(path); err != nil {
		t.Fatal(err)
	}
}

// dropPositions removes from a state the positions in the sources of the language host.
func dropPositions(t *testing.T, state []byte) []byte {
	t.Helper()
	var deployment struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	if err := json.Unmarshal(state, &deployment); err != nil {
		t.Fatal(err)
	}
	resources, _ := deployment.Deployment["resources"].([]any)
	for _, resource := range resources {
		if fields, ok := resource.(map[string]any); ok {
			delete(fields, "sourcePosition")
			delete(fields, "stackTrace")
		}
	}
	text, err := json.MarshalIndent(deployment, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// rewriteFile replaces the content of a file.
func rewriteFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
