package provider

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// Neither the output of a step nor the Dockerfile around it influences the remedy for its failure.
func TestForeignTextChoosesNoRemedy(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"output": &buildkit.StepError{
			ExitCode: 1, Output: []string{"deploy: no SSH key for user bob", "toomanyrequests: x", "401 Unauthorized"},
		},
		"excerpt": &buildkit.StepError{
			Reason: "process canceled", Excerpt: "# log: toomanyrequests: from hub: 429 Too Many Requests\nRUN x",
		},
		"command": &buildkit.StepError{
			Reason: "no", Step: buildkit.Step{Command: "RUN echo network.host is not allowed"},
		},
		"image": &buildkit.BaseImageError{Text: "no", Excerpt: "# toomanyrequests: x\n# authorization failed\nFROM x"},
	} {
		if got := explainBuild(err); got.Error() != err.Error() {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRemediesOfBuilds(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"; start one there (buildkitd --addr 'unix:///a b'), or correct builder.endpoint or " +
			"BUILDKIT_HOST": &endpoint.NoDaemonError{
			Endpoint: "unix:///a b", Cause: errors.New("no"),
		},
		"; something listens there: start or restart the daemon behind it, or correct builder.endpoint or " +
			"BUILDKIT_HOST": &endpoint.NoDaemonError{
			Endpoint: "tcp://builder:1", Cause: errors.New("no"), Accepted: true,
		},
		"Nothing was sent or pushed. Set watch to all, so that the whole context is hashed and " +
			"sent": &inputs.UnhashedError{
			Path: "a",
		},
		"its server has sent nothing for 1s. Look at that server": &buildkit.StalledSourceError{
			What: "ADD x", Limit: time.Second,
		},
		"log in to the registry of the base image (docker login, or registries), or correct its " +
			"name": &buildkit.BaseImageError{
			Fault: buildkit.Denied,
		},
		"the registry limits how often images are pulled: log in to it": &buildkit.BaseImageError{
			Fault: buildkit.RateLimited,
		},
		"give the agent or keys with this id in ssh": &buildkit.StepError{
			Fault: buildkit.NoKey,
		},
		"a step asks for the secret \"npm\", which was not given: add it to secrets, or correct its id in " +
			"the": &buildkit.StepError{
			ExitCode: 1, MissingSecrets: []string{"npm"},
		},
		"set allow: [network.host] in the program": &buildkit.DaemonError{Fault: buildkit.NetworkHost},
	} {
		got := explainBuild(fmt.Errorf("building: %w", err))
		if !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// A remedy shows a file name so that the command cannot take it for an option.
func TestRemediesOfEncodingsRun(t *testing.T) {
	t.Parallel()
	got := encodingRemedy(&inputs.EncodingError{File: "-app/Dockerfile", Encoding: "UTF-16LE", Mark: true})
	if want := "iconv -f UTF-16 -t UTF-8 ./-app/Dockerfile >./-app/Dockerfile.utf8 && mv ./-app/Dockerfile.utf8 " +
		"./-app/Dockerfile"; !strings.HasSuffix(got, want) {
		t.Error(got)
	}
}

func TestRemediesOfFullDisks(t *testing.T) {
	t.Parallel()
	own := daemon.Disk{Path: "/cache/it's", Free: 3 << 20, Known: true}
	full, wrote := &buildkit.StepError{
		Fault: buildkit.DiskFull,
	}, &buildkit.StepError{ExitCode: 1, Output: []string{"dd: No space left on device"}}
	const remedy = `/cache/it's has 3MiB free now. Free space there, or remove the folder while nothing builds, ` +
		`as only the build cache is in it (sudo rm -rf '/cache/it'\''s'), ` +
		`or set PULUMI_BUILDKIT_DAEMON_DIR to a folder on another disk`
	for name, c := range map[string]struct {
		err  error
		own  daemon.Disk
		want string
	}{
		"our own": {full, own, "\nthe disk of the builder is full: " + remedy},
		"an image": {
			&buildkit.BaseImageError{Fault: buildkit.DiskFull}, own, "\nthe disk of the builder is full: " + remedy,
		},
		"an export": {
			&buildkit.DaemonError{Fault: buildkit.DiskFull}, own, "\nthe disk of the builder is full: " + remedy,
		},
		"another": {
			full, daemon.Disk{},
			"\nthe disk of the builder is full: free space there, for example with buildctl --addr tcp://h:1 prune",
		},
		"a step": {
			wrote, own,
			"\nthe step says that a disk is full. Unless that is a tmpfs, or a disk elsewhere, it is that of the " +
				"builder: " + remedy,
		},
		"a read-only disk": {
			full, daemon.Disk{Path: "/cache", ReadOnly: true, Known: true},
			"\nthe disk of the builder cannot be written: /cache is on a read-only file system. Linux does that " +
				"after errors of a disk: read dmesg and repair it, or set PULUMI_BUILDKIT_DAEMON_DIR to a folder on " +
				"another disk",
		},
		"a step, another": {wrote, daemon.Disk{}, ""},
		"something else":  {&buildkit.StepError{ExitCode: 1}, own, ""},
	} {
		if got := diskError(c.err, "buildctl --addr tcp://h:1 prune", c.own).Error(); got != c.err.Error()+c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	start := &daemon.FullDiskError{Disk: own, Cause: errors.New("its keeper ended before the daemon was ready")}
	if got := explainEmbedded(start).Error(); !strings.HasPrefix(got,
		"its keeper ended before the daemon was ready\nits disk is full: /cache/it's has 3MiB free\nFree space there") {
		t.Error(got)
	}
}
