package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Volume is the volume that holds the cache of our BuildKit in an engine.
const Volume = "pulumi-buildkit"

// containerLimit is how long it may take until our BuildKit runs in an engine: the first time, 100 MB are loaded.
const containerLimit = 5 * time.Minute

// builderContainer is the container of our BuildKit in an engine.
type builderContainer struct {
	engine *Engine
	name   string
	image  *builderImage
	note   func(string)
}

// images holds the images by architecture, so that each program is read once.
var images struct {
	sync.Mutex
	byArch map[string]*builderImage
}

// builderImage returns the image for the architecture of the engine, which must answer within 20 s.
func (e *Engine) builderImage(ctx context.Context) (*builderImage, error) {
	waitCtx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	version, err := e.api.ServerVersion(waitCtx, client.ServerVersionOptions{})
	if err != nil {
		return nil, &NoEngineError{Address: e.address, Cause: err}
	}
	images.Lock()
	defer images.Unlock()
	if i := images.byArch[version.Arch]; i != nil {
		return i, nil
	}
	i, err := newBuilderImage(ctx, version.Arch)
	if err != nil {
		return nil, err
	}
	if images.byArch == nil {
		images.byArch = map[string]*builderImage{}
	}
	images.byArch[version.Arch] = i
	return i, nil
}

// starting holds, by the address of an engine, a channel with one element while a goroutine of this process starts a
// container there. Otherwise each image that is built at the same time would load the image of the builder.
var starting sync.Map

// lockStart waits until no other goroutine starts a container of the engine at a host. The caller calls unlock.
func lockStart(ctx context.Context, host string) (unlock func(), err error) {
	found, _ := starting.LoadOrStore(host, make(chan struct{}, 1))
	turn := found.(chan struct{})
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ensure starts the container, and makes it if there is none, within containerLimit. Another process may do the same at
// the same time, or the engine may be removing a container that has exited. In both cases ensure looks again.
func (c builderContainer) ensure(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, containerLimit, fmt.Errorf("it did not start within %s", containerLimit))
	defer stop()
	unlock, err := lockStart(ctx, c.engine.address.Host)
	if err != nil {
		return err
	}
	defer unlock()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := c.engine.StartContainer(ctx, c.name)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*NoContainerError](err); ok {
			if err = c.engine.load(ctx, c.image, c.note); err == nil {
				err = c.create(ctx)
			}
			if err == nil {
				continue
			}
		}
		if !cerrdefs.IsConflict(err) && !cerrdefs.IsNotFound(err) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// load puts the image into the engine unless it is there.
func (e *Engine) load(ctx context.Context, image *builderImage, note func(string)) error {
	if _, err := e.api.ImageInspect(ctx, image.ref()); err == nil || !cerrdefs.IsNotFound(err) {
		return err
	}
	note(fmt.Sprintf("loading our BuildKit into the Docker Engine at %s: the image %s and the volume %s stay there. "+
		"\"docker image rm %s\" and \"docker volume rm %s\" remove them",
		e.address.Host, image.ref(), Volume, image.ref(), Volume))
	reader, writer := io.Pipe()
	rescue.Go(func(err error) { _ = writer.CloseWithError(err) }, func() {
		_ = writer.CloseWithError(image.writeArchive(writer))
	})
	defer func() { _ = reader.Close() }()
	return load(ctx, e.api, reader)
}

// create makes the container. It is privileged, as a BuildKit that runs steps has to be, and in the network of the
// engine, so that it reaches registries as the engine does. Steps have networks of their own.
func (c builderContainer) create(ctx context.Context) error {
	_, err := c.engine.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: c.name,
		Config: &container.Config{
			Image: c.image.ref(), Cmd: []string{inside.ServeRole},
			Labels: map[string]string{"io.pulumi.buildkit": "builder"},
		},
		HostConfig: &container.HostConfig{
			AutoRemove: true, Privileged: true, NetworkMode: "host", UsernsMode: "host",
			Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: Volume, Target: inside.StateFolder}},
		},
	})
	return err
}

// exec runs the program of the container in a role. A container that has ended meanwhile is started again.
func (c builderContainer) exec(ctx context.Context, role string) (net.Conn, error) {
	program := "/" + programFolder + inside.Program
	conn, err := c.engine.Exec(ctx, c.name, program, role)
	_, isGone := errors.AsType[*NoContainerError](err)
	if !isGone && !cerrdefs.IsConflict(err) { // a conflict: it exists and does not run
		return conn, err
	}
	if err := c.ensure(ctx); err != nil {
		return nil, err
	}
	return c.engine.Exec(ctx, c.name, program, role)
}
