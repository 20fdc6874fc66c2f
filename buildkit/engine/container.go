package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	bkclient "github.com/moby/buildkit/client"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Volume is the volume that holds the cache of our BuildKit in an engine.
const Volume = "pulumi-buildkit"

// containerLimit bounds how long it takes until our BuildKit runs in an engine: 100 MB are loaded the first time.
const containerLimit = 5 * time.Minute

// Builder is our BuildKit in a container of an engine.
type Builder struct {
	engine   *Engine
	name     string
	image    *builderImage
	settings []byte // a line of JSON
	note     func(string)
}

// StartBuilder returns our BuildKit in the engine. It loads the image and starts the container if there is none that
// runs. The container ends by itself a minute after its last use; the image and the volume with the cache stay. note
// gets a line for what is made.
//
// It returns a *MissingProgramsError if the plugin came without the programs for the engine's architecture.
func (e *Engine) StartBuilder(ctx context.Context, s inside.Settings, note func(string)) (*Builder, error) {
	ctx, stop := context.WithTimeoutCause(ctx, containerLimit, fmt.Errorf("it did not run within %s", containerLimit))
	defer stop()
	image, err := e.builderImage(ctx)
	if err != nil {
		return nil, err
	}
	s.Key = image.key()
	settings, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	b := &Builder{
		engine: e, name: "pulumi-buildkit-" + image.key(), image: image, settings: append(settings, '\n'), note: note,
	}
	if err := b.ensure(ctx); err != nil {
		return nil, fmt.Errorf("our BuildKit in the Docker Engine at %s: %w", e.address.Host, err)
	}
	return b, nil
}

// images are the images by architecture. Their programs are read once.
var images struct {
	sync.Mutex
	byArch map[string]*builderImage
}

// builderImage returns the image for the architecture of the engine.
func (e *Engine) builderImage(ctx context.Context) (*builderImage, error) {
	version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
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

// starting is held by the one goroutine of this process that starts a container: several images would each load it.
var starting = make(chan struct{}, 1)

// ensure starts the container, which it makes if there is none. Another process may do the same at the same time, and
// the engine may just be removing a container that has ended: ensure then looks again.
func (b *Builder) ensure(ctx context.Context) error {
	select {
	case starting <- struct{}{}:
		defer func() { <-starting }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := b.engine.StartContainer(ctx, b.name)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*NoContainerError](err); ok {
			if err = b.engine.load(ctx, b.image, b.note); err == nil {
				err = b.create(ctx)
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
func (b *Builder) create(ctx context.Context) error {
	_, err := b.engine.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: b.name,
		Config: &container.Config{
			Image: b.image.ref(), Cmd: []string{inside.ServeRole},
			Labels: map[string]string{"io.pulumi.buildkit": "builder"},
		},
		HostConfig: &container.HostConfig{
			AutoRemove: true, Privileged: true, NetworkMode: "host", UsernsMode: "host",
			Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: Volume, Target: inside.StateFolder}},
		},
	})
	return err
}

// Endpoint returns the address of the builder, for people.
func (b *Builder) Endpoint() string { return "docker-container://" + b.name }

// connectVariables are what the daemon in the container inherits of this process.
var connectVariables = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"PULUMI_BUILDKIT_DAEMON_IDLE",
}

// Dial returns a connection to the daemon. The daemon lives as long as one is open. A container that has ended
// meanwhile is started again.
func (b *Builder) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := b.connect(ctx)
	_, isGone := errors.AsType[*NoContainerError](err)
	if !isGone && !cerrdefs.IsConflict(err) { // a conflict: it exists and does not run
		return conn, err
	}
	if err := b.ensure(ctx); err != nil {
		return nil, err
	}
	return b.connect(ctx)
}

// connect runs the program that joins its input and output to the daemon.
func (b *Builder) connect(ctx context.Context) (net.Conn, error) {
	var environ []string
	for _, name := range connectVariables {
		if value := os.Getenv(name); value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	conn, err := b.engine.exec(ctx, b.name, environ, "/"+programFolder+inside.Program, inside.ConnectRole)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(b.settings); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// startLimitInside bounds how long the daemon in the container takes to answer, which it starts if none runs.
const startLimitInside = time.Minute

// BuildKit returns a client of the daemon and waits until it answers, a minute at most. The caller closes it.
func (b *Builder) BuildKit(ctx context.Context) (*bkclient.Client, error) {
	var failed error // of the last connection, which gRPC tells as text only
	var mu sync.Mutex
	c, err := newClient(ctx,
		bkclient.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.DefaultConfig, MinConnectTimeout: startLimitInside,
		})),
		bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := b.Dial(ctx)
			mu.Lock()
			defer mu.Unlock()
			failed = err
			return conn, err
		}))
	if err != nil {
		return nil, err
	}
	silent := fmt.Errorf("no answer within %s", startLimitInside)
	waitCtx, stop := context.WithTimeoutCause(ctx, startLimitInside, silent)
	defer stop()
	if _, err := c.Info(waitCtx); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		mu.Lock()
		defer mu.Unlock()
		return nil, &endpoint.NoDaemonError{Endpoint: b.Endpoint(), Cause: cmp.Or(failed, err)}
	}
	return c, nil
}
