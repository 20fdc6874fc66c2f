//go:build linux

package daemon_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/tonistiigi/fsutil"
)

// buildProbe builds the program that looks around in a step, for an architecture, and returns its folder.
func buildProbe(t testing.TB, arch string) string {
	t.Helper()
	probeMutex.Lock()
	defer probeMutex.Unlock()
	dir := filepath.Join(os.TempDir(), "pulumi-buildkit-probe-"+arch+"-"+strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "probe"),
		"../../test/attacks/testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return dir
}

var probeMutex sync.Mutex // two builds of it at once would take twice as long

// probe runs the attempts in a step and returns what the program printed.
func probe(t testing.TB, endpoint string, network llb.RunOption, attempts ...string) string {
	t.Helper()
	platform := platforms.DefaultSpec()
	output, err := probeOn(t.Context(), endpoint, platform.Architecture, buildProbe(t, platform.Architecture), network,
		attempts...)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return output
}

func probeOn(
	ctx context.Context, endpoint, arch, dir string, network llb.RunOption, attempts ...string,
) (string, error) {
	step := probeBase().Run(llb.Args(append([]string{"/probe"}, attempts...)), llb.IgnoreCache, network).Root()
	return solveProbe(ctx, endpoint, arch, dir, step, "network.host")
}

func probeBase() llb.State {
	return llb.Scratch().File(llb.Copy(llb.Local("probe"), "probe", "/probe"))
}

// solveProbe runs steps on the program in dir and returns what they printed. The build asks for the entitlements.
func solveProbe(
	ctx context.Context, endpoint, arch, dir string, steps llb.State, entitlements ...string,
) (string, error) {
	local, err := fsutil.NewFS(dir)
	if err != nil {
		return "", err
	}
	definition, err := steps.Marshal(ctx, llb.Platform(platforms.MustParse("linux/"+arch)))
	if err != nil {
		return "", err
	}
	c, err := bk.New(ctx, endpoint)
	if err != nil {
		return "", err
	}
	defer c.Close()
	status, output := make(chan *bk.SolveStatus), make(chan string)
	go func() {
		var printed strings.Builder
		for update := range status {
			for _, log := range update.Logs {
				printed.Write(log.Data)
			}
		}
		output <- printed.String()
	}()
	options := bk.SolveOpt{LocalMounts: map[string]fsutil.FS{"probe": local}, AllowedEntitlements: entitlements}
	_, err = c.Solve(ctx, definition, options, status)
	return <-output, err
}
