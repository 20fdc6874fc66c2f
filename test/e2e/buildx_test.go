//go:build linux

package e2e

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
)

// The stopped container of a buildx builder is started, which the terminal says. It builds with the digest of the
// embedded daemon. A builder without a container is an error with its remedy.
func TestBuilderInAContainer(t *testing.T) {
	t.Parallel()
	host := containerdEngine.Host(t)
	writeStoppedContainer(t, &containerdEngine, "buildx_buildkit_boxed0")
	store := t.TempDir()
	must(t, os.Mkdir(filepath.Join(store, "instances"), 0o700))
	for _, name := range []string{"boxed", "absent"} {
		text := fmt.Sprintf(`{"Name":%q,"Driver":"docker-container","Nodes":[{"Name":"%s0","Endpoint":%q}]}`,
			name, name, host)
		must(t, os.WriteFile(filepath.Join(store, "instances", name), []byte(text), 0o600))
	}
	files := map[string]string{"hello": "hello\n"}
	embedded := open(t, project(t, fixed, files))
	succeeds(t, embedded.Up("--skip-preview"))

	s := openOn(t, nil, project(t, fixed+"builder: { name: boxed }\n", files), "BUILDX_CONFIG="+store)
	succeeds(t, s.Up("--skip-preview"), "the buildx builder boxed",
		"started the container buildx_buildkit_boxed0, which was stopped: it goes on running")
	if got, want := image(t, s).Outputs["digest"], image(t, embedded).Outputs["digest"]; got != want {
		t.Errorf("the digest is %v, on the embedded daemon %v", got, want)
	}

	s = openOn(t, nil, project(t, fixed+"builder: { name: absent }\n", files), "BUILDX_CONFIG="+store)
	fails(t, s.Up("--skip-preview"), "the buildx builder absent: the Docker Engine at "+host+
		" has no container \"buildx_buildkit_absent0\". Create it with docker buildx inspect --bootstrap")
}

// Our BuildKit in an engine has no git. A git context, and ADD of a git repository, say so.
func TestBuilderWithoutGit(t *testing.T) {
	t.Parallel()
	builder := "builder: { endpoint: \"" + classicEngine.Host(t) + "\" }\n"
	const repository = "https://127.0.0.1:9/repository.git#main"
	for name, properties := range map[string]string{
		"context": "context: { location: \"" + repository + "\" }\n",
		"ADD": "context: { location: . }\ndockerfile:\n  inline: |\n    FROM scratch\n" +
			"    ADD https://git.example.com/repository.git#main /\n",
	} {
		s := open(t, project(t, "\ntags: [\"REPO:1\"]\n"+properties+builder, nil))
		r := s.Up("--skip-preview")
		fails(t, r, "unknown scheme git", "the builder has no git")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// writeStoppedContainer makes a container of BuildKit in an engine, as "docker buildx create --bootstrap" and
// "docker buildx stop" leave it. The test removes it.
func writeStoppedContainer(t testing.TB, e *enginetest.Engine, name string) {
	t.Helper()
	api, err := client.New(client.WithHost(e.Host(t)))
	must(t, err)
	t.Cleanup(func() { _ = api.Close() })
	ref := loadBuildKit(t, api)
	created, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name:   name,
		Config: &container.Config{Image: ref, Cmd: []string{"buildkitd"}},
		HostConfig: &container.HostConfig{
			Privileged: true, NetworkMode: "host", UsernsMode: "host",
			Mounts: []mount.Mount{{Type: mount.TypeVolume, Target: "/var/lib/buildkit"}},
		},
	})
	must(t, err)
	t.Cleanup(func() {
		_, err := api.ContainerRemove(context.Background(), created.ID,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		must(t, err)
	})
	_, err = api.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{})
	must(t, err)
	_, err = api.ContainerStop(t.Context(), created.ID, client.ContainerStopOptions{})
	must(t, err)
}

// loadBuildKit loads an image with BuildKit into an engine and returns its reference.
func loadBuildKit(t testing.TB, api *client.Client) string {
	t.Helper()
	const ref = "buildkit-of-the-tests:latest"
	reader, writer := io.Pipe()
	go func() { _ = writer.CloseWithError(writeBuildKitArchive(writer, ref)) }()
	loaded, err := api.ImageLoad(t.Context(), reader, client.ImageLoadWithQuiet(true))
	must(t, err)
	_, err = io.Copy(io.Discard, loaded)
	must(t, errors.Join(err, loaded.Close()))
	return ref
}

// writeBuildKitArchive writes an image of the programs that the tests have, as "docker save" does.
func writeBuildKitArchive(w io.Writer, ref string) error {
	sum, size := sha256.New(), counter(0)
	if err := writeBuildKitLayer(io.MultiWriter(sum, &size)); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum.Sum(nil))}},
	})
	if err != nil {
		return err
	}
	manifest := fmt.Sprintf(`[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, ref)
	out := tar.NewWriter(w)
	for name, content := range map[string][]byte{"config.json": config, "manifest.json": []byte(manifest)} {
		err = errors.Join(err, out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, writeErr := out.Write(content)
		err = errors.Join(err, writeErr)
	}
	err = errors.Join(err, out.WriteHeader(&tar.Header{Name: "layer.tar", Mode: 0o644, Size: int64(size)}))
	return errors.Join(err, writeBuildKitLayer(out), out.Close())
}

func writeBuildKitLayer(w io.Writer) error {
	out := tar.NewWriter(w)
	for _, folder := range []string{"bin/", "run/", "tmp/", "var/", "var/lib/", "etc/"} {
		if err := out.WriteHeader(&tar.Header{Name: folder, Mode: 0o755, Typeflag: tar.TypeDir}); err != nil {
			return err
		}
	}
	for _, name := range []string{"buildkitd", "buildctl", "runc"} {
		content, err := os.ReadFile(filepath.Join(shared.Bin, name))
		if err != nil {
			return err
		}
		header := &tar.Header{Name: "bin/" + name, Mode: 0o755, Size: int64(len(content))}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(content); err != nil {
			return err
		}
	}
	return out.Close()
}

// counter counts the bytes that are written to it.
type counter int64

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
