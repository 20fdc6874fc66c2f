// Package engine puts images into a Docker Engine.
package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// limit bounds the wait for the engine's first answer.
const limit = 20 * time.Second

// Image is an image on its way into an engine: a buildkit.Sink for an archive that "docker load" takes.
type Image struct {
	*io.PipeWriter
	ended chan error
}

var errAborted = errors.New("the build has failed")

// Load begins to load an image into the engine that DOCKER_HOST names (with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH), or the one of this
// machine. Whoever calls it owes a Commit or an Abort.
//
// The error names the engine and what to do when nothing answers there.
func Load(ctx context.Context) (*Image, error) {
	if err := checkCertificates(); err != nil {
		return nil, err
	}
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil, fmt.Errorf("docker engine: %w: correct DOCKER_HOST", err)
	}
	waitCtx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer stop()
	if _, err := c.Ping(waitCtx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("no Docker Engine answers at %s: %w; start one, set DOCKER_HOST, or leave load out", c.DaemonHost(), err)
	}
	reader, writer := io.Pipe()
	image := &Image{PipeWriter: writer, ended: make(chan error, 1)}
	end := func(err error) {
		_ = reader.CloseWithError(err) // nobody writes to an engine that has given up
		image.ended <- err
	}
	rescue.Go(end, func() {
		defer func() { _ = c.Close() }()
		end(load(ctx, c, reader))
	})
	return image, nil
}

// checkCertificates returns an error for a file of DOCKER_CERT_PATH that is not regular or too large: the client opens them by
// itself, and would wait for the writer of a FIFO.
func checkCertificates() error {
	folder := os.Getenv(client.EnvOverrideCertPath)
	if folder == "" {
		return nil
	}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if err := file.Check(filepath.Join(folder, name), file.LimitText); err != nil {
			return fmt.Errorf("docker engine: %w; correct %s", err, client.EnvOverrideCertPath)
		}
	}
	return nil
}

func load(ctx context.Context, c *client.Client, archive io.Reader) error {
	result, err := c.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err == nil {
		err = errors.Join(failure(result), result.Close())
	}
	if err != nil {
		return fmt.Errorf("loading the image into the Docker Engine at %s: %w", c.DaemonHost(), err)
	}
	return nil
}

// failure is what the engine says went wrong, in one of the lines of JSON that it answers with.
func failure(answer io.Reader) error {
	lines := bufio.NewScanner(answer)
	for lines.Scan() {
		var line struct{ Error string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Error != "" {
			return errors.New(line.Error)
		}
	}
	return lines.Err()
}

// Commit tells the engine that the archive is complete, and waits until it has the image.
func (i *Image) Commit() error {
	_ = i.Close() // of a pipe: does not fail
	return <-i.ended
}

// Abort ends the load without an image. The error is why the engine took no more, nil when it would have.
func (i *Image) Abort() error {
	_ = i.CloseWithError(errAborted)
	if err := <-i.ended; !errors.Is(err, errAborted) {
		return err
	}
	return nil
}
