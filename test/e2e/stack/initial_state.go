//go:build linux

package stack

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing/fstest"
)

// initialState is what pulumi stack init writes: the folder of the file backend, and the lines of Pulumi.dev.yaml with
// the key that encrypts secrets.
type initialState struct {
	state fs.FS
	key   string
}

// initialStates holds the initial state of each project.
var initialStates struct {
	sync.Mutex
	byProject map[string]initialState
}

// initialStateOf returns the empty stack "dev" of a project.
//
// The CLI makes it once for each project, because starting the CLI takes half a second and tests have many stacks. All
// of them share one key.
func initialStateOf(ctx context.Context, bin, project string) (initialState, error) {
	initialStates.Lock()
	defer initialStates.Unlock()
	if known, ok := initialStates.byProject[project]; ok {
		return known, nil
	}
	initial, err := initStack(ctx, bin, project)
	if err != nil {
		return initial, err
	}
	if initialStates.byProject == nil {
		initialStates.byProject = map[string]initialState{}
	}
	initialStates.byProject[project] = initial
	return initial, nil
}

// initStack runs pulumi stack init in a temporary folder and returns what it wrote.
func initStack(ctx context.Context, bin, project string) (initialState, error) {
	root, err := os.MkdirTemp("", "stack-")
	if err != nil {
		return initialState{}, err
	}
	defer func() { _ = os.RemoveAll(root) }()
	s := &Stack{Dir: filepath.Join(root, "program"), root: root, pulumi: filepath.Join(bin, "pulumi"),
		commandTime: commandTime}
	if s.env, err = environment(bin, root, "", 0); err != nil {
		return initialState{}, err
	}
	for _, folder := range []string{"home", "state", "tmp", "program"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o700); err != nil {
			return initialState{}, err
		}
	}
	if err := s.Write("Pulumi.yaml", "name: "+project+"\nruntime: yaml\n"); err != nil {
		return initialState{}, err
	}
	result, err := s.Run(ctx, "stack", "init", "dev", "--secrets-provider", secretsProvider)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("pulumi stack init: exit code %d: %s", result.Code, result.All())
	}
	if err != nil {
		return initialState{}, err
	}
	config, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.dev.yaml"))
	if err != nil || !strings.HasPrefix(string(config), "secretsprovider: ") {
		return initialState{}, fmt.Errorf("pulumi stack init left %q: %w", config, err)
	}
	state, err := inMemory(os.DirFS(filepath.Join(root, "state")))
	return initialState{state: state, key: strings.TrimSpace(string(config)) + "\n"}, err
}

// inMemory returns a copy of the tree in memory.
func inMemory(tree fs.FS) (fs.FS, error) {
	files := fstest.MapFS{}
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, path)
		files[path] = &fstest.MapFile{Data: data, Mode: 0o600}
		return err
	})
	return files, err
}
