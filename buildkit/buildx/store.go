// Package buildx reads the builders that "docker buildx create" has stored. It changes nothing and connects to nothing.
package buildx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Drivers of builders.
const (
	Remote          = "remote"           // a BuildKit daemon at an address
	DockerContainer = "docker-container" // BuildKit in a container of a Docker Engine
	Kubernetes      = "kubernetes"       // BuildKit in pods
	Docker          = "docker"           // the BuildKit of a Docker Engine itself
	Cloud           = "cloud"            // Docker Build Cloud
)

// Builder is a builder of buildx, which buildx calls a node group.
type Builder struct {
	Name   string
	Driver string
	Nodes  []Node
}

// Node is one machine of a builder.
type Node struct {
	Name       string
	Endpoint   string // an address, or the name of a Docker context
	Platforms  []ocispecs.Platform
	DriverOpts map[string]string
}

// Store is the folder in which buildx keeps its builders.
type Store struct{ dir string }

// Open returns the store of this user: $BUILDX_CONFIG, or the folder buildx beside the configuration of Docker. The
// folder need not exist.
func Open() Store {
	if dir := os.Getenv("BUILDX_CONFIG"); dir != "" {
		return Store{dir: dir}
	}
	return Store{dir: filepath.Join(config.Dir(), "buildx")}
}

// In returns the store in the folder dir.
func In(dir string) Store { return Store{dir: dir} }

// Dir returns the path of the store's folder.
func (s Store) Dir() string { return s.dir }

// NotFoundError says that a store has no builder of this name.
type NotFoundError struct {
	Name  string
	Dir   string
	Known []string // the names of the builders in the store, sorted
}

// Error names the builder, and the builders in the store.
func (e *NotFoundError) Error() string {
	known := "it has none"
	if len(e.Known) > 0 {
		known = "it has " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("no buildx builder %q in %s: %s", e.Name, e.Dir, known)
}

// nameForm is the form of names that buildx accepts.
var nameForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*$`)

// Builder returns the builder with this name, in which upper and lower case are the same. It returns a *NotFoundError
// if there is none.
func (s Store) Builder(ctx context.Context, name string) (Builder, error) {
	if !nameForm.MatchString(name) {
		return Builder{}, s.notFound(name)
	}
	path := filepath.Join(s.dir, "instances", strings.ToLower(name))
	text, err := file.Read(ctx, path, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return Builder{}, s.notFound(name)
	}
	if err != nil {
		return Builder{}, fmt.Errorf("the buildx builder %q: %w", name, err)
	}
	var b Builder
	if err := json.Unmarshal(text, &b); err != nil {
		return Builder{}, fmt.Errorf("the buildx builder %q: %s: %w", name, path, err)
	}
	if len(b.Nodes) == 0 {
		return Builder{}, fmt.Errorf("the buildx builder %q: %s: it has no node", name, path)
	}
	return b, nil
}

func (s Store) notFound(name string) error {
	entries, _ := os.ReadDir(filepath.Join(s.dir, "instances")) // absent if there are no builders
	known := make([]string, len(entries))
	for i, entry := range entries {
		known[i] = entry.Name()
	}
	slices.Sort(known)
	return &NotFoundError{Name: name, Dir: s.dir, Known: known}
}

// Current returns the name of the builder that "docker buildx use" chose for a Docker endpoint, or "" if nobody chose
// one. The endpoint is the name of the current Docker context, or the address of the engine for the context "default".
func (s Store) Current(ctx context.Context, endpoint string) (string, error) {
	var current struct {
		Key, Name string
		Global    bool
	}
	path := filepath.Join(s.dir, "current")
	text, err := file.Read(ctx, path, file.LimitText)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("the current buildx builder: %w", err)
	default:
		if err := json.Unmarshal(text, &current); err != nil {
			return "", fmt.Errorf("the current buildx builder: %s: %w", path, err)
		}
	}
	if current.Name != "" && s.has(current.Name) && (current.Global || current.Key == endpoint) {
		return current.Name, nil
	}
	if current.Name != "" && current.Key == endpoint {
		return "", nil // a builder that was removed
	}
	return s.defaultOf(ctx, endpoint)
}

// defaultOf returns the builder that "docker buildx use --default" chose for a Docker endpoint, or "".
func (s Store) defaultOf(ctx context.Context, endpoint string) (string, error) {
	sum := sha256.Sum256([]byte(endpoint))
	text, err := file.Read(ctx, filepath.Join(s.dir, "defaults", hex.EncodeToString(sum[:])[:20]), file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("the default buildx builder: %w", err)
	}
	if name := strings.TrimSpace(string(text)); s.has(name) {
		return name, nil
	}
	return "", nil
}

func (s Store) has(name string) bool {
	if !nameForm.MatchString(name) {
		return false
	}
	_, err := os.Stat(filepath.Join(s.dir, "instances", strings.ToLower(name)))
	return err == nil
}
