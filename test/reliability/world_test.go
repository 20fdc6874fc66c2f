//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing/fstest"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// daemonIdle is how long the daemon of a world outlives its last command.
const daemonIdle = 15 * time.Second

// commandLimit is how long one command may take, with every timeout of the plugin shortened.
const commandLimit = 90 * time.Second

// world is a machine, a registry and a state, in which one case at a time happens.
type world struct {
	programs string // folder with the plugin and the programs beside it
	root     string // all that the plugin may write, but for the daemon
	daemon   string // folder of the embedded daemon
	registry *stack.Registry
	point    *registryPoint

	state    *entry
	kind     kind
	stack    *stack.Stack // runs the commands with the real CLI; nil: this package's engine does
	messages *messages    // between the plugin and its daemon; nil: the embedded daemon
	files    *supervisor  // of the plugin's file operations; nil: nobody

	// The process of the command that runs. The points kill it in goroutines of their own.
	plugin  atomic.Pointer[plugin]        // nil with a stack
	process atomic.Pointer[stack.Process] // of the CLI

	patient bool // the command that runs has the plugin of patientFolder; the real CLI always has the other one

	snapshots map[string]*snapshot // by scenario
}

// snapshot is the state of a world before the last command of a scenario.
type snapshot struct {
	dir    string // copies of root and of the registry
	state  *entry
	quiet  map[string][]string // by point: the events of an undisturbed run
	before map[string]string   // tags and their digests

	requests []requestLine // of the quiet run
}

// folders lists what a world restores of its root: the program, the home and the temporary files of the plugin, and the
// state of the real CLI.
var folders = []string{"program", "home", "tmp", "state"}

// newWorld starts the registry of a world. programs has the plugin and all other programs.
func newWorld(ctx context.Context, k kind, programs, fixtures string) (w *world, err error) {
	w = &world{kind: k, programs: programs, snapshots: map[string]*snapshot{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.daemon, err = os.MkdirTemp("", "daemon-"); err != nil {
		return w, err
	}
	if w.registry, err = stack.StartRegistry(ctx, programs); err != nil {
		return w, err
	}
	if w.point, err = newRegistryPoint(w.registry.Host); err != nil {
		return w, err
	}
	w.point.kill = w.kill
	if _, err = stack.PushBusybox(ctx, fixtures, w.registry.Host); err != nil {
		return w, err
	}
	if err = w.equip(ctx); err != nil {
		return w, err
	}
	return w, w.save("")
}

// equip makes the root of a world, and what its kind needs.
func (w *world) equip(ctx context.Context) (err error) {
	const project = "name: app\nruntime: yaml\n"
	if w.kind == realCLI {
		w.stack, err = stack.Open(ctx, stack.Config{
			Bin: w.programs, Daemon: w.daemon, Idle: daemonIdle,
			Program: fstest.MapFS{"Pulumi.yaml": {Data: []byte(project), Mode: 0o600}},
		})
		if err == nil {
			w.root = filepath.Dir(w.stack.Dir)
		}
		return err
	}
	if w.root, err = os.MkdirTemp("", "world-"); err != nil {
		return err
	}
	for _, folder := range folders {
		if err := os.Mkdir(filepath.Join(w.root, folder), 0o700); err != nil {
			return err
		}
	}
	if err := w.write("Pulumi.yaml", project); err != nil {
		return err
	}
	switch w.kind {
	case fileFaults:
		w.files, err = newSupervisor(ctx, w.programs, w.daemon)
	case messageFaults:
		w.messages, err = startMessages(w.daemon)
	}
	return err
}

// close ends the processes of the world and removes its folders. It returns an error that names what the daemon left.
func (w *world) close() error {
	var errs []error
	if w.messages != nil {
		errs = append(errs, w.messages.close())
	}
	if w.files != nil {
		errs = append(errs, w.files.lease.Release())
	}
	if w.stack != nil {
		errs = append(errs, w.stack.Close(context.Background()))
	}
	if w.daemon != "" {
		errs = append(errs, stack.AwaitDaemonEnd(context.Background(), w.daemon), os.RemoveAll(w.daemon))
	}
	if w.point != nil {
		errs = append(errs, w.point.Close())
	}
	if w.registry != nil {
		errs = append(errs, w.registry.Close())
	}
	if w.files != nil {
		errs = append(errs, w.files.Close())
	}
	for _, s := range w.snapshots {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(append(errs, os.RemoveAll(w.root))...)
}

// save takes the snapshot of a scenario. That of "" is the empty world.
func (w *world) save(scenario string) error {
	dir, err := os.MkdirTemp("", "snapshot-")
	if err != nil {
		return err
	}
	w.snapshots[scenario] = &snapshot{dir: dir, state: w.state}
	return w.copyAll(w.root, w.registry.Dir(), filepath.Join(dir, "root"), filepath.Join(dir, "registry"))
}

// forget removes the snapshot of a scenario.
func (w *world) forget(scenario string) error {
	s := w.snapshots[scenario]
	delete(w.snapshots, scenario)
	return os.RemoveAll(s.dir)
}

// restore returns to the snapshot of a scenario.
func (w *world) restore(scenario string) error {
	s := w.snapshots[scenario]
	w.state = s.state
	return w.copyAll(filepath.Join(s.dir, "root"), filepath.Join(s.dir, "registry"), w.root, w.registry.Dir())
}

// copyAll replaces the folders of a root and the data of a registry.
func (w *world) copyAll(root, registry, toRoot, toRegistry string) error {
	var errs []error
	for _, folder := range folders {
		errs = append(errs, replaceFolder(filepath.Join(root, folder), filepath.Join(toRoot, folder)))
	}
	errs = append(errs, replaceFolder(filepath.Join(registry, "data"), filepath.Join(toRegistry, "data")))
	return errors.Join(errs...)
}

// replaceFolder makes to a copy of from.
func replaceFolder(from, to string) error {
	if err := errors.Join(os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o700)); err != nil {
		return err
	}
	if output, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, output)
	}
	return nil
}
