package faults_test

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// newFiles returns a supervisor of the real plugin.
func newFiles(t *testing.T) *faults.Files {
	t.Helper()
	daemontest.SkipWithoutDaemon(t)
	root, err := daemontest.Root()
	if err != nil {
		t.Fatal(err)
	}
	f, err := faults.NewFiles(filepath.Join(root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// exporting returns a program whose image is exported to out/.
func exporting(builder string, content string) fs.FS {
	text := fmt.Sprintf(`name: app
runtime: yaml
resources:
  image:
    type: buildkit:Image
    properties:
      builder: { endpoint: "%s" }
      context: { location: . }
      exports: [{ local: { dest: out } }]
`, builder)
	return fstest.MapFS{
		"Pulumi.yaml": {Data: []byte(text), Mode: 0o644},
		"Dockerfile":  {Data: []byte("FROM scratch\nCOPY file /\n"), Mode: 0o644},
		"file":        {Data: []byte(content), Mode: 0o644},
	}
}

// open opens a stack whose plugin f supervises.
func open(t *testing.T, f *faults.Files, content string) *stack.Test {
	t.Helper()
	return stack.New(t, stack.Config{
		Bin: f.Bin, Env: f.Env(), Program: exporting(shared.Endpoint(t), content), Idle: time.Second,
	})
}

func TestSupervisedUpdate(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	s := open(t, f, "content")
	r := s.Up("--skip-preview")
	stack.Succeeds(t, r)
	t.Logf("%s, %d operations", r.Elapsed, f.Count())
	content, err := os.ReadFile(filepath.Join(s.Dir, "out/file"))
	if err != nil || string(content) != "content" {
		t.Errorf("the export is %q, %v", content, err)
	}
	write := slices.IndexFunc(f.Events(), func(e string) bool {
		return strings.HasPrefix(e, "write ") && strings.Contains(e, "/out/file")
	})
	if write < 0 {
		t.Fatalf("no write of the export in %q", f.Events())
	}

	// The number of an operation differs by a few from run to run, as images and goroutines take turns.
	other := open(t, f, "content")
	f.Arm(write+1, faults.Kill)
	r = other.Up("--skip-preview")
	events := f.Events()
	stack.Fails(t, r)
	if len(events) != write+1 || f.Hit() != "kill at "+events[write] {
		t.Errorf("hit %q, after %q", f.Hit(), events)
	}
	f.Reset()
	stack.Succeeds(t, other.Up("--skip-preview"))
}

// play runs the steps under the supervision of f, in a new folder below a folder. It returns what each printed.
func play(t *testing.T, f *faults.Files, below string) (folder string, printed []string) {
	t.Helper()
	folder = filepath.Join(below, rand.Text())
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(f.Bin, "pulumi-resource-buildkit"))
	cmd.Env = append(append(os.Environ(), f.Env()...), roleVariable+"="+folder, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	output, _ := cmd.Output() // the program may have been killed
	return folder, strings.Split(strings.TrimSpace(string(output)), "\n")
}

//nolint:paralleltest // it counts file descriptors and goroutines
func TestFaultsOfFiles(t *testing.T) {
	fds, goroutines := openFiles(t), runtime.NumGoroutine()
	bin := t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "pulumi-resource-buildkit"))
	}
	if err != nil {
		t.Fatal(err)
	}
	below := t.TempDir()
	f, err := faults.NewFiles(bin, below)
	if err != nil {
		t.Fatal(err)
	}
	folder, quiet := play(t, f, below)
	var events []string
	for _, s := range steps {
		events = append(events, strings.Replace(s.event, "/", folder+"/", 1))
	}
	if !slices.Equal(f.Events(), events) || f.Count() != len(steps) {
		t.Fatalf("counted %q, want %q", f.Events(), events)
	}
	for i := range steps {
		for _, fault := range f.Faults() {
			t.Run(fmt.Sprintf("%s at %s", fault, strings.ReplaceAll(steps[i].event, "/", "")), func(t *testing.T) {
				testFaultOfFiles(t, f, below, i, fault, quiet)
			})
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := stack.WaitUntil(t.Context(), 10*time.Second, func() bool {
		return openFiles(t) <= fds && runtime.NumGoroutine() <= goroutines
	}); err != nil {
		t.Errorf("%d files and %d goroutines, now %d and %d", fds, goroutines, openFiles(t), runtime.NumGoroutine())
	}
}

// openFiles returns how many files this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func testFaultOfFiles(t *testing.T, f *faults.Files, below string, i int, fault string, quiet []string) {
	f.Arm(i+1, fault)
	folder, printed := play(t, f, below)
	for i < len(steps) && !faults.Suits(fault, steps[i].event) {
		i++
	}
	if i == len(steps) {
		if f.Hit() != "" || !slices.Equal(printed, quiet) {
			t.Fatalf("hit %q, printed %q", f.Hit(), printed)
		}
		return
	}
	event := steps[i].event
	if want := fault + " at " + strings.Replace(event, "/", folder+"/", 1); f.Hit() != want {
		t.Fatalf("hit %q, want %q", f.Hit(), want)
	}
	written, _ := os.ReadFile(filepath.Join(folder, "d/f"))
	half := strings.Contains(event, "10 bytes")
	switch fault {
	case faults.Kill, faults.KillTorn:
		// Of the output, a kill leaves nothing that the program printed after it.
		if len(printed) != max(i, 1) || i == 0 && printed[0] != "" {
			t.Errorf("printed %q", printed)
		}
		if want := "01234"; fault == faults.KillTorn && half && string(written) != want {
			t.Errorf("the file holds %q, want %q", written, want)
		}
		return
	case faults.ShortWrite, faults.TornWrite:
		want := "3 "
		if half {
			want = "5 "
		}
		if printed[i] != want {
			t.Errorf("step %d printed %q, want %q", i, printed[i], want)
		}
		if fault == faults.TornWrite && printed[i+1] != "-1 ENOSPC" {
			t.Errorf("the step after printed %q", printed[i+1])
		}
		return
	case faults.DiskFull:
		fault = faults.NoSpace
		if i == 2 && printed[3] != "-1 ENOSPC" {
			t.Errorf("a later write printed %q on a full disk", printed[3])
		}
	default:
		if i == 2 && (printed[3] != quiet[3] || printed[4] != quiet[4]) {
			t.Errorf("a fault of one step changed others: %q", printed)
		}
	}
	if printed[i] != "-1 "+fault {
		t.Errorf("step %d printed %q, want %s", i, printed[i], fault)
	}
}
