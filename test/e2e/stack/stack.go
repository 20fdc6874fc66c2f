//go:build linux

package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// Config says how to open a stack.
type Config struct {
	Bin     string              // absolute folder of pulumi, its plugins, buildkitd and runc
	Program fs.FS               // Pulumi.yaml and what it builds; copied
	Folder  string              // of Program, where Pulumi.yaml is; default "."
	Values  map[string]string   // stack configuration; a key without a colon is the project's
	Daemon  string              // absolute folder of the embedded daemon; default: one of this stack
	Idle    time.Duration       // how long the daemon outlives its last use; default 2 s
	Env     []string            // further variables; a later one replaces an earlier one
	Output  io.Writer           // also gets the output of the CLI; default: none
	Inside  bool                // state, Pulumi's home, caches and daemon are folders of the program
	Time    time.Duration       // limits each command; default 5 minutes
	Machine *daemontest.Machine // the user nobody runs the CLI on it; nil: the user of the tests, on this machine
}

// Stack is one program on one file backend. One goroutine at a time may use it. Close ends it.
type Stack struct {
	Dir    string // of Pulumi.yaml in the program's copy
	Daemon string
	root   string
	pulumi string

	project string // its name
	env     []string
	output  io.Writer
	machine *daemontest.Machine

	commandTime time.Duration
}

// Open copies the program and creates the stack "dev". ctx limits only this call.
func Open(ctx context.Context, c Config) (*Stack, error) {
	root, err := os.MkdirTemp("", "stack-")
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Dir: filepath.Join(root, "program", c.Folder), Daemon: c.Daemon,
		root: root, pulumi: filepath.Join(c.Bin, "pulumi"), output: c.Output, machine: c.Machine,
		commandTime: cmp.Or(c.Time, commandTime),
	}
	if s.Daemon == "" {
		s.Daemon = filepath.Join(root, "daemon")
	}
	if c.Idle == 0 {
		c.Idle = 2 * time.Second
	}
	if c.Inside {
		s.Daemon = filepath.Join(s.Dir, "build/daemon")
		c.Env = append([]string{
			"PULUMI_BACKEND_URL=file://.", "PULUMI_HOME=" + s.pulumiHome(true), "XDG_CACHE_HOME=" +
				filepath.Join(s.Dir, ".cache"),
		}, c.Env...)
	}
	s.env, err = environment(c.Bin, root, s.Daemon, c.Idle)
	s.env = append(s.env, c.Env...)
	if err == nil {
		err = s.populate(ctx, c)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	return s, nil
}

// populate fills the folders of the stack: plugin, program, state and configuration.
func (s *Stack) populate(ctx context.Context, c Config) error {
	for _, folder := range []string{"home", "state", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.root, folder), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.besideFile(), []byte(besideCanary), 0o600); err != nil {
		return err
	}
	if err := install(c.Bin, s.root); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(s.root, "program"), c.Program); err != nil {
		return err
	}
	var err error
	if s.project, err = projectName(filepath.Join(s.Dir, "Pulumi.yaml")); err != nil {
		return err
	}
	initial, err := initialStateOf(ctx, c.Bin, s.project)
	if err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(s.root, "state"), initial.state); err != nil {
		return err
	}
	if c.Inside {
		err = errors.Join(
			os.Rename(s.pulumiHome(false), s.pulumiHome(true)),
			os.Rename(filepath.Join(s.root, "state/.pulumi"), filepath.Join(s.Dir, ".pulumi")),
		)
	}
	return errors.Join(err, s.Write("Pulumi.dev.yaml", initial.key+configFile(s.project, c.Values)), s.handOver())
}

// pulumiHome returns the folder of Pulumi's plugins and credentials.
func (s *Stack) pulumiHome(inside bool) string {
	if inside {
		return filepath.Join(s.Dir, ".home")
	}
	return filepath.Join(s.root, "home/.pulumi")
}

// Write replaces a file of the program. name is relative to the folder of Pulumi.yaml.
func (s *Stack) Write(name, text string) error {
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, []byte(text), 0o600), s.handOverFile(path))
}

// Close kills the remaining processes of the stack and removes its folders. It returns an error that names processes
// that should have ended by themselves. A daemon of the stack itself gets its idle time to end; a shared one goes on
// running.
func (s *Stack) Close(ctx context.Context) error {
	err := s.AwaitEnd(ctx)
	if strings.HasPrefix(s.Daemon, s.root) {
		err = errors.Join(err, AwaitDaemonEnd(ctx, s.Daemon))
	}
	LookInFolder(s.root, filepath.Join(s.root, "program"), s.besideFile())
	return errors.Join(err, os.RemoveAll(s.root))
}

// besideFile returns the path of a file in the folder above the program's. No build may read it.
func (s *Stack) besideFile() string { return filepath.Join(s.root, "beside.txt") }

// install puts the plugin where pulumi plugin install puts it. A link suffices, because buildkitd and runc are beside
// its target.
func install(bin, root string) error {
	folder := filepath.Join(root, "home", ".pulumi", "plugins", "resource-buildkit-v0.0.0")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	const plugin = "pulumi-resource-buildkit"
	return os.Symlink(filepath.Join(bin, plugin), filepath.Join(folder, plugin))
}

// environment returns the whole environment of the CLI. It takes only PATH from the caller, so that neither credentials
// nor settings get in.
func environment(bin, root, daemon string, idle time.Duration) ([]string, error) {
	keys, err := keyServer()
	return []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(root, "home"),
		"TMPDIR=" + filepath.Join(root, "tmp"),
		"LANG=C.UTF-8",
		"PULUMI_HOME=" + filepath.Join(root, "home", ".pulumi"),
		"PULUMI_BACKEND_URL=file://" + filepath.Join(root, "state"),
		"PULUMI_STACK=dev",
		"PULUMI_CONFIG_PASSPHRASE=" + passphraseCanary,
		"VAULT_SERVER_URL=" + keys,
		canaryVariable + "=" + environmentCanary,
		"PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_IGNORE_AMBIENT_PLUGINS=true", // use the installed plugin, and do not warn of one on PATH
		"PULUMI_BUILDKIT_DAEMON_DIR=" + daemon,
		"PULUMI_BUILDKIT_DAEMON_IDLE=" + idle.String(),
		"GOGC=400", // commands are short, and would spend a sixth of their work on collecting garbage
	}, err
}

// projectName returns the name in Pulumi.yaml, which configuration keys need.
func projectName(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "name:"); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("%s: no line begins with \"name:\"", path)
}

// configFile returns the text of Pulumi.dev.yaml with the values.
func configFile(project string, values map[string]string) string {
	var text strings.Builder
	text.WriteString("config:\n")
	for _, key := range slices.Sorted(maps.Keys(values)) {
		full := key
		if !strings.Contains(key, ":") {
			full = project + ":" + key
		}
		fmt.Fprintf(&text, "  %s: %q\n", full, values[key])
	}
	if len(values) == 0 {
		return ""
	}
	return text.String()
}
