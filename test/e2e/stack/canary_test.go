//go:build linux

package stack

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

//nolint:paralleltest // it looks at what all other tests note
func TestSearchFindsEveryCanary(t *testing.T) {
	canary := Canary("test")
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, _ = w.Write([]byte(strings.Repeat("x", 3<<20) + canary))
	_ = w.Close()
	for name, content := range map[string]string{
		"plain":        "a " + canary + " b",
		"at a seam":    strings.Repeat("x", 1<<20-4) + canary + strings.Repeat("x", 1<<20),
		"base64":       base64.StdEncoding.EncodeToString([]byte("user:" + canary)),
		"base64, +1":   base64.StdEncoding.EncodeToString([]byte("user1:" + canary)),
		"base64, +2":   base64.StdEncoding.EncodeToString([]byte("user12:" + canary)),
		"gzip, at end": compressed.String(),
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "file"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		LookInFolder(folder, filepath.Join(folder, "file"))
		if leakError() != nil {
			t.Fatalf("%s: found although left out: %v", name, leakError())
		}
		LookInFolder(folder)
		if leakError() == nil {
			t.Errorf("%s: not found", name)
		}
		leaks.found = nil
	}
}

//nolint:paralleltest // it looks at what all other tests note
func TestArgumentsAreSearched(t *testing.T) {
	for name, script := range map[string]string{
		"of a short process":        `exec sh -c "sleep 0.3; :" "$CANARY"`,
		"after an exec":             `sleep 0.2; exec sh -c "sleep 0.3; :" "$CANARY"`,
		"after an exec, much later": `sleep 2; exec sh -c "sleep 30; :" "$CANARY"`,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { watchArguments(ctx, "no CLI") })
		process := exec.CommandContext(ctx, "sh", "-c", script)
		process.Env = append(os.Environ(), "CANARY="+Canary("test"))
		process.WaitDelay = time.Second
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		if err := WaitUntil(ctx, 20*time.Second, func() bool { return leakError() != nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		watching.Wait()
		_ = process.Wait() // it was killed
		leaks.found = nil
	}
}
