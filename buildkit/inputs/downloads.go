package inputs

import (
	"context"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/download"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

const (
	// downloadTimeout limits how long a server may take to send a Dockerfile.
	downloadTimeout = 30 * time.Second
	// failureKept is how long a failed download is not tried again: long enough for all images of a program.
	failureKept = time.Minute
)

// Downloads hold the texts of Dockerfiles at URLs, so that one run downloads each once, and all that happens in the run
// sees one text. A nil *Downloads holds nothing.
type Downloads struct {
	mu    sync.Mutex
	files map[string]*downloadedFile // by URL
}

// downloadedFile is the text at one URL.
type downloadedFile struct {
	turn   chan struct{} // holds an element while somebody downloads or reads the fields
	text   *download.Text
	isOld  bool // of an earlier run: ask the server whether it has changed
	err    error
	failed time.Time
}

// Expire begins a new run: texts are used again only if their server says that they have not changed.
func (d *Downloads) Expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for url, f := range d.files {
		renewed := newDownloadedFile()
		select {
		case f.turn <- struct{}{}:
			renewed.text, renewed.isOld = f.text, true
			<-f.turn
		default: // the run before still downloads it
		}
		d.files[url] = renewed
	}
}

func newDownloadedFile() *downloadedFile { return &downloadedFile{turn: make(chan struct{}, 1)} }

// file returns the entry of a URL.
func (d *Downloads) file(url string) *downloadedFile {
	if d == nil {
		return newDownloadedFile()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = map[string]*downloadedFile{}
	}
	if d.files[url] == nil {
		d.files[url] = newDownloadedFile()
	}
	return d.files[url]
}

// read returns the Dockerfile at a URL, from its server if this run has not read it yet. Its errors are those of
// download.Get.
func (d *Downloads) read(ctx context.Context, url string) ([]byte, error) {
	f := d.file(url)
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	switch {
	case f.text != nil && !f.isOld:
		return f.text.Content, nil
	case f.err != nil && time.Since(f.failed) < failureKept:
		return nil, f.err
	}
	text, err := download.Get(ctx, url, download.Options{
		Limit: file.LimitText, Timeout: downloadTimeout, Before: f.text,
	})
	if err != nil {
		if ctx.Err() == nil {
			f.err, f.failed = err, time.Now()
		}
		return nil, err
	}
	f.text, f.isOld, f.err = text, false, nil
	return text.Content, nil
}
