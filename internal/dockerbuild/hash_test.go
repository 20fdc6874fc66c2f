//go:build unix

package dockerbuild

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The stacks that docker-build itself has deployed: programs with their files, and the states by version.
const (
	recordedPrograms = "../../test/e2e/testdata/docker-build/programs"
	recordedStates   = "../../test/e2e/testdata/docker-build/states"
)

// recordedRegistry is the registry whose name the files had when the states were recorded.
const recordedRegistry = "127.0.0.1:5901"

// recordedState is what the test reads of a state.
type recordedState struct {
	Deployment struct {
		Resources []struct {
			Type    string
			Outputs struct {
				ContextHash string
				Dockerfile  struct{ Location string }
				Context     struct {
					Location string
					Named    map[string]struct{ Location string }
				}
			}
		}
	}
}

// TestHashIsThatOfDockerBuild compares with the hashes in states that docker-build wrote.
func TestHashIsThatOfDockerBuild(t *testing.T) {
	states, err := filepath.Glob(filepath.Join(recordedStates, "*", "*.json"))
	if err != nil || len(states) < 30 {
		t.Fatalf("%d states, %v", len(states), err)
	}
	for _, path := range states {
		t.Run(strings.TrimPrefix(path, recordedStates+"/"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var state recordedState
			if err := json.Unmarshal(text, &state); err != nil {
				t.Fatal(err)
			}
			t.Chdir(restore(t, filepath.Join(recordedPrograms, strings.TrimSuffix(filepath.Base(path), ".json"))))
			compareHashes(t, state)
		})
	}
}

func compareHashes(t *testing.T, state recordedState) {
	t.Helper()
	compared := 0
	for _, resource := range state.Deployment.Resources {
		if resource.Type != "docker-build:index:Image" {
			continue
		}
		out := resource.Outputs
		files := Files{Dockerfile: out.Dockerfile.Location, Context: out.Context.Location, Named: map[string]string{}}
		for name, named := range out.Context.Named {
			files.Named[name] = named.Location
		}
		hash, err := Hash(t.Context(), files)
		if err != nil || hash != out.ContextHash {
			t.Errorf("hash %s, recorded %s, %v", hash, out.ContextHash, err)
		}
		compared++
	}
	if compared == 0 {
		t.Error("the state has no image")
	}
}

// restore copies a recorded stack to a new folder, with the registry's name and the modes of the time.
func restore(t *testing.T, folder string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "stack")
	if err := os.CopyFS(target, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(target, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		text = bytes.ReplaceAll(text, []byte("REGISTRY"), []byte(recordedRegistry))
		if err := os.WriteFile(path, text, mode); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestHashFollowsLinksAndSkipsLinksToFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "app/Dockerfile", "FROM scratch\n")
	write(t, "elsewhere/text", "one")
	link(t, "../elsewhere/text", "app/file")
	link(t, "../elsewhere", "app/folder")
	files := Files{Dockerfile: "app/Dockerfile", Context: "app"}
	before := mustHash(t, files)
	write(t, "elsewhere/other", "not seen")
	if mustHash(t, files) != before {
		t.Error("a file behind a link to a folder changed the hash")
	}
	write(t, "elsewhere/text", "two")
	if mustHash(t, files) == before {
		t.Error("the target of a link did not change the hash")
	}
}

// TestHashPrefersIgnoreFileOfProgram: docker-build looks for "" + ".dockerignore" if the Dockerfile is inline.
func TestHashPrefersIgnoreFileOfProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "app/a", "a")
	write(t, "app/b", "b")
	write(t, "app/.dockerignore", "a\n.dockerignore\n")
	files := Files{Context: "app"}
	ofContext := mustHash(t, files)
	write(t, ".dockerignore", "b\n.dockerignore\n")
	ofProgram := mustHash(t, files)
	write(t, "app/b", "changed")
	if ofProgram == ofContext || mustHash(t, files) != ofProgram {
		t.Error("the ignore file of the program does not hold")
	}
}

func TestHashEndsWithItsContext(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "app/a", "a")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Hash(ctx, Files{Context: "app"}); err == nil {
		t.Error("no error after the context has ended")
	}
}

func mustHash(t *testing.T, files Files) string {
	t.Helper()
	hash, err := Hash(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
