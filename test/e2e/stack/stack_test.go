//go:build linux

package stack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func bin(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func openPlain(t *testing.T) *Stack {
	t.Helper()
	program := fstest.MapFS{"Pulumi.yaml": {Data: []byte("name: plain\nruntime: yaml\n" +
		"config: { word: { type: string } }\noutputs: { said: '${word}' }\n")}}
	s, err := Open(t.Context(), Config{Bin: bin(t), Program: program, Values: map[string]string{"word": `a "b": c`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.root) })
	return s
}

func TestRunWithConfigValues(t *testing.T) {
	t.Parallel()
	s := openPlain(t)
	if result, err := s.Run(t.Context(), "up", "--yes"); err != nil || result.Code != 0 {
		t.Fatalf("%v, %+v", err, result)
	}
	if result, err := s.Run(t.Context(), "stack", "output", "said"); err != nil || result.Stdout != "a \"b\": c\n" {
		t.Errorf("%v, %+v", err, result)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.root); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}

func TestACommandThatFailsIsAResult(t *testing.T) {
	t.Parallel()
	result, err := openPlain(t).Run(t.Context(), "up", "--no-such-option")
	if err != nil || result.Code <= 0 || !strings.Contains(result.Stderr, "no-such-option") {
		t.Errorf("%v, %+v", err, result)
	}
}

// The end-to-end tests rely on this: Close finds, names and kills a process that should have ended.
func TestCloseKillsAndNamesProcesses(t *testing.T) {
	t.Parallel()
	s := openPlain(t)
	left := exec.Command("sleep", "300.25")
	left.Env = s.env
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "sleep 300.25") {
		t.Errorf("closing with a process left: %v", err)
	}
	if err := left.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process: %v", err)
	}
}

func TestRegistryServesTheBaseImage(t *testing.T) {
	t.Parallel()
	r, err := StartRegistry(t.Context(), bin(t))
	if err != nil {
		t.Fatal(err)
	}
	base, err := PushBusybox(t.Context(), "../../../.cache/fixtures", r.Host)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
		if err != nil {
			t.Fatal(err)
		}
		if file, err := image.ConfigFile(); err != nil || file.Architecture != arch {
			t.Errorf("%s: %v, %+v", arch, err, file)
		}
	}
	pid := r.cmd.Process.Pid
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left := Processes(func(p Proc) bool { return p.PID == pid }); len(left) > 0 {
		t.Errorf("it still runs: %v", left)
	}
}

func TestAMissingRegistryNamesTheTarget(t *testing.T) {
	t.Parallel()
	if _, err := StartRegistry(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("%v", err)
	}
}
