//go:build linux

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// everyLoss loses a builder in a container in every way. Without it one way of each kind of builder is tested.
var everyLoss = flag.Bool("every-loss", false, "lose the container of a builder in every way")

// containerLosses are the ways to lose the container of a builder, with what the update says then.
var containerLosses = map[string]struct {
	lose  func(context.Context, *client.Client, string) error
	fails bool // nothing in a paused container is started again
}{
	"stopped": {lose: func(ctx context.Context, api *client.Client, name string) error {
		limit := 1 // in seconds; a step that ends before is no loss
		_, err := api.ContainerStop(ctx, name, client.ContainerStopOptions{Timeout: &limit})
		return err
	}},
	"killed": {lose: func(ctx context.Context, api *client.Client, name string) error {
		_, err := api.ContainerKill(ctx, name, client.ContainerKillOptions{Signal: "SIGKILL"})
		return err
	}},
	"paused": {fails: true, lose: func(ctx context.Context, api *client.Client, name string) error {
		_, err := api.ContainerPause(ctx, name, client.ContainerPauseOptions{})
		return err
	}},
}

// The container of a buildx builder is lost while a step runs. A stopped one is started and the build tried again. A
// paused one ends in an error that says how it goes on.
func TestTheContainerOfABuilderIsLost(t *testing.T) {
	t.Parallel()
	for loss := range containerLosses {
		if loss != "stopped" && !*everyLoss {
			continue
		}
		t.Run(loss, func(t *testing.T) {
			t.Parallel()
			name := "buildx_buildkit_lost" + loss + "0"
			host := containerdEngine.Host(t)
			writeStoppedContainer(t, &containerdEngine, name)
			store := t.TempDir()
			must(t, os.Mkdir(filepath.Join(store, "instances"), 0o700))
			text := fmt.Sprintf(`{"Name":"lost%s","Driver":"docker-container","Nodes":[{"Name":"lost%[1]s0",`+
				`"Endpoint":%q}]}`, loss, host)
			must(t, os.WriteFile(filepath.Join(store, "instances", "lost"+loss), []byte(text), 0o600))
			loseContainer(t, &containerdEngine, lostContainer{
				loss: loss, name: name, builder: "builder: { name: lost" + loss + " }\n",
				env: []string{"BUILDX_CONFIG=" + store},
			})
		})
	}
}

// The container of our BuildKit in an engine is lost while a step runs. Another one is made and the build tried again.
func TestOurContainerIsLost(t *testing.T) {
	t.Parallel()
	for loss := range containerLosses {
		if loss != "killed" && !*everyLoss {
			continue
		}
		t.Run(loss, func(t *testing.T) {
			t.Parallel()
			e := &enginetest.Engine{Classic: true} // others use the container of a shared one
			defer func() { must(t, e.End()) }()
			loseContainer(t, e, lostContainer{loss: loss, builder: endpointOf(t, e)})
		})
	}
}

// lostContainer says which container loseContainer loses, and how.
type lostContainer struct {
	loss    string
	name    string // of the container; "": that of our BuildKit
	builder string // the inputs that name the builder
	env     []string
}

// loseContainer loses a container while a step runs, and checks the update and the next one.
func loseContainer(t *testing.T, e *enginetest.Engine, c lostContainer) {
	t.Helper()
	api, err := client.New(client.WithHost(e.Host(t)))
	must(t, err)
	defer func() { _ = api.Close() }()
	step := fmt.Sprintf("sleep 4.%d%d%d", os.Getpid(), len(c.name), c.loss[0])
	s := openOn(t, nil, project(t, "context: { location: . }\ntags: [\"REPO:1\"]\n"+c.builder,
		map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN --network=none " + step + "\n"}), c.env...)
	up := s.StartUp("--skip-preview")
	runs := func() bool { return len(stack.ProcessesWith(step)) > 0 }
	must(t, stack.WaitUntil(t.Context(), 2*time.Minute, runs))
	if c.name == "" {
		c.name = nameOfOurContainer(t, api)
	}
	lost := time.Now()
	must(t, containerLosses[c.loss].lose(t.Context(), api, c.name))
	r, err := up.Wait()
	must(t, err)
	if took := time.Since(lost); took > time.Minute {
		t.Errorf("the update took %s more", took)
	}
	if containerLosses[c.loss].fails {
		fails(t, r, "sign of life", "tried once more: ", fmt.Sprintf("the container %s of the Docker Engine at %s is "+
			"paused. Let it go on with docker --host %[2]s unpause %[1]s", c.name, e.Host(t)))
		if fetchManifest(t, repository(t)+":1") != nil {
			t.Error("the tag moved")
		}
		_, err := api.ContainerUnpause(t.Context(), c.name, client.ContainerUnpauseOptions{})
		must(t, err)
		succeeds(t, s.Up("--skip-preview"))
	} else {
		succeeds(t, r, "on docker-container://"+c.name+": the daemon ended, or the connection to it did",
			"trying once more")
	}
	if fetchManifest(t, repository(t)+":1") == nil {
		t.Error("the tag did not move")
	}
	checkContainerIdle(t, api, c.name, step)
	succeeds(t, s.Destroy("--skip-preview"))
}

// nameOfOurContainer returns the name of the only container that the plugin has made in an engine.
func nameOfOurContainer(t *testing.T, api *client.Client) string {
	t.Helper()
	listed, err := api.ContainerList(t.Context(), client.ContainerListOptions{})
	must(t, err)
	if len(listed.Items) != 1 || len(listed.Items[0].Names) != 1 {
		t.Fatalf("the engine runs %v", listed.Items)
	}
	return strings.TrimPrefix(listed.Items[0].Names[0], "/")
}

// checkContainerIdle checks that neither a step nor a connection of the plugin is left in a container.
func checkContainerIdle(t *testing.T, api *client.Client, name, step string) {
	t.Helper()
	var left string
	isIdle := func() bool {
		top, err := api.ContainerTop(t.Context(), name, client.ContainerTopOptions{})
		left = fmt.Sprint(top.Processes)
		return err == nil && !strings.Contains(left, step) && !strings.Contains(left, "dial-stdio")
	}
	if err := stack.WaitUntil(t.Context(), 10*time.Second, isIdle); err != nil {
		t.Errorf("in the container is left: %s", left)
	}
}
