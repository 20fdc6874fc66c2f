//go:build linux

package stack

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var qemu = map[string]string{"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}

// Emulator returns the path of the program that runs binaries of the architecture on this machine. Its error names the
// package to install.
func Emulator(arch string) (string, error) {
	path, err := exec.LookPath(qemu[arch])
	if err != nil {
		return "", fmt.Errorf("no emulator for %s: install qemu-user-static: %w", arch, err)
	}
	return path, nil
}

// RunServer pulls the image of linux/arch, runs its entrypoint, and returns the answer to GET /. The kernel picks the
// port. An emulator that is not "" runs the entrypoint. The server has ended when RunServer returns, after 30 s at
// most.
func RunServer(ctx context.Context, reference, arch, emulator string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second,
		fmt.Errorf("%s for %s did not answer within 30 s", reference, arch))
	defer cancel()
	dir, err := os.MkdirTemp("", "server-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	config, err := pull(ctx, reference, arch, dir)
	if err != nil {
		return "", fmt.Errorf("pull %s for linux/%s: %w", reference, arch, err)
	}
	args := append([]string(nil), config.Entrypoint...)
	args[0] = filepath.Join(dir, args[0])
	if emulator != "" {
		args = append([]string{emulator}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(config.Env, "ADDR=127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	return askServer(ctx, cmd)
}

// askServer starts the server and reads its address from its log. It sends one request, and ends the server with
// SIGTERM as a container runtime does.
func askServer(ctx context.Context, cmd *exec.Cmd) (string, error) {
	log, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	ended, err := startCommand(cmd)
	if err != nil {
		return "", err
	}
	answer, err := getRoot(ctx, log)
	if err != nil {
		_ = cmd.Process.Kill() // it may have ended by itself
		return "", errors.Join(err, <-ended)
	}
	return answer, errors.Join(cmd.Process.Signal(syscall.SIGTERM), <-ended)
}

// getRoot reads the address from the first line of the log and returns the answer to GET /.
func getRoot(ctx context.Context, log io.Reader) (string, error) {
	line, err := bufio.NewReader(log).ReadBytes('\n')
	if err != nil {
		return "", fmt.Errorf("the server ended with %q: %w", line, err)
	}
	var serving struct{ Addr string }
	if err := json.Unmarshal(line, &serving); err != nil || serving.Addr == "" {
		return "", fmt.Errorf("the server logged %q, not its address: %w", line, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+serving.Addr+"/", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the server answered %s: %s", response.Status, body)
	}
	return string(body), err
}

// pull writes the files of the image into dir and returns its configuration.
func pull(ctx context.Context, reference, arch, dir string) (v1.Config, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return v1.Config{}, err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
	if err != nil {
		return v1.Config{}, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return v1.Config{}, err
	}
	if file.Architecture != arch || len(file.Config.Entrypoint) == 0 {
		return v1.Config{}, fmt.Errorf("it is for %s with the entrypoint %q", file.Architecture, file.Config.Entrypoint)
	}
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	return file.Config, extract(files, dir)
}

// extract writes the regular files of the archive. A static server needs no others.
func extract(archive io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeReg {
			err = writeFile(root, strings.TrimPrefix(header.Name, "/"), files)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
