//go:build linux

package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Registry is a distribution registry on loopback, over plain HTTP and without a login. It deletes a manifest only on
// request.
type Registry struct {
	Host  string // 127.0.0.1:port
	dir   string
	cmd   *exec.Cmd
	ended <-chan error
}

// Manifests returns the digests of the manifests and indexes that a repository holds, tagged or not.
func (r *Registry) Manifests(repository string) []string {
	found, _ := filepath.Glob(filepath.Join(r.dir, "data/docker/registry/v2/repositories", repository,
		"_manifests/revisions/sha256/*"))
	return found
}

const registryConfig = `version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: true}}
storage:
  delete: {enabled: true}
  filesystem: {rootdirectory: %q}
http: {addr: "127.0.0.1:0"}
`

// StartRegistry runs bin/registry on a port that the kernel picks, with an empty folder. ctx limits only the start.
// Close ends the registry.
func StartRegistry(ctx context.Context, bin string) (*Registry, error) {
	dir, err := os.MkdirTemp("", "registry-")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, registryConfig, filepath.Join(dir, "data")), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	r := &Registry{dir: dir, cmd: exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "registry"),
		"serve", config)}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r.cmd.WaitDelay = time.Second
	log, err := r.cmd.StderrPipe()
	if err == nil {
		r.ended, err = startCommand(r.cmd)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the registry (make tools builds it): %w", err), os.RemoveAll(dir))
	}
	if r.Host, err = readAddress(ctx, log); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close ends the registry and removes its folder.
func (r *Registry) Close() error {
	_ = r.cmd.Process.Kill() // it may have ended by itself
	<-r.ended                // "signal: killed"
	return os.RemoveAll(r.dir)
}

// readAddress reads the log until it names the address. It drains the rest of the log until the process has ended.
func readAddress(ctx context.Context, log io.Reader) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute,
		errors.New("the registry named no address within a minute"))
	defer cancel()
	host, last := make(chan string, 1), ""
	go func() {
		defer close(host)
		for lines := bufio.NewScanner(log); lines.Scan(); last = lines.Text() {
			var entry struct{ Msg string }
			_ = json.Unmarshal(lines.Bytes(), &entry)
			if address, ok := strings.CutPrefix(entry.Msg, "listening on "); ok {
				host <- address
			}
		}
	}()
	select {
	case address, ok := <-host:
		if !ok {
			return "", fmt.Errorf("the registry ended at once: %s", last)
		}
		return address, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Dir returns the folder with the content of the registry.
func (r *Registry) Dir() string { return r.dir }
