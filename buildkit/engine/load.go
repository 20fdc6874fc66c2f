package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Image is an image on its way into an engine: a buildkit.Sink for an archive that "docker load" takes.
type Image struct {
	*io.PipeWriter
	ended  chan error
	engine *Engine // closed with the image; nil: the caller's
}

var errAborted = errors.New("the build has failed")

// LoadInto connects to the engine at an address and begins to load an image into it. The caller commits or aborts it.
// It returns a *NoEngineError if nothing answers.
func LoadInto(ctx context.Context, a Address) (*Image, error) {
	e, err := Dial(ctx, a)
	if err != nil {
		return nil, err
	}
	image := e.Load(ctx)
	image.engine = e
	return image, nil
}

// Load begins to load an image into the engine. The caller commits or aborts it, and closes the engine afterwards.
func (e *Engine) Load(ctx context.Context) *Image {
	reader, writer := io.Pipe()
	image := &Image{PipeWriter: writer, ended: make(chan error, 1)}
	end := func(err error) {
		_ = reader.CloseWithError(err) // so that writes fail after the engine has stopped reading
		image.ended <- err
	}
	rescue.Go(end, func() {
		end(load(ctx, e.api, reader))
	})
	return image
}

// checkCertificates returns an error if a certificate in the folder is not a regular file or is too large. The client
// of the engine opens these files by itself, and would wait for the writer of a FIFO.
func checkCertificates(folder string) error {
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
		err = errors.Join(readFailure(result), result.Close())
	}
	if err != nil {
		return fmt.Errorf("loading the image into the Docker Engine at %s: %w", c.DaemonHost(), err)
	}
	return nil
}

// readFailure reads the answer of the engine, which is lines of JSON. It returns the error in it, or nil if there is
// none.
func readFailure(answer io.Reader) error {
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
	defer i.closeEngine()
	_ = i.Close() // closing a pipe does not fail
	return <-i.ended
}

// Abort cancels the load. It returns why the engine had already stopped reading, or nil if it had not.
func (i *Image) Abort() error {
	defer i.closeEngine()
	_ = i.CloseWithError(errAborted)
	if err := <-i.ended; !errors.Is(err, errAborted) {
		return err
	}
	return nil
}

func (i *Image) closeEngine() {
	if i.engine != nil {
		_ = i.engine.Close()
	}
}
