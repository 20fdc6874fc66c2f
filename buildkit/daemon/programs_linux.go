package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// versionLimit is how long a program may take to print its version.
const versionLimit = 10 * time.Second

// logPrograms logs each program of a daemon with its version and digest. It runs none of them if nobody reads the log.
func logPrograms(ctx context.Context, s setup, log *slog.Logger) {
	if !log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	known := readDigests(s.daemonFolder)
	for _, path := range s.programs() {
		version := ""
		if path != s.network {
			version = programVersion(ctx, path)
		}
		d, err := known.find(path)
		if err != nil {
			log.DebugContext(ctx, "program not read", "path", path, "reason", err.Error())
			continue
		}
		log.DebugContext(ctx, "program found", "name", filepath.Base(path), "path", path, "version", version,
			"sha256", d.SHA256)
	}
}

// programVersion returns the first line that a program prints for --version, or why there is none.
func programVersion(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeoutCause(ctx, versionLimit, errors.New("no answer within 10 s"))
	defer cancel()
	text, _, err := subprocess.Output(exec.CommandContext(ctx, path, "--version"))
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
