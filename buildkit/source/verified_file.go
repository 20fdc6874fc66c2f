package source

import (
	"io"
	"os"
)

// brokenFile is a file whose first read fails.
type brokenFile struct{ err error }

func (b brokenFile) Read([]byte) (int, error) { return 0, b.err }
func (brokenFile) Close() error               { return nil }

// verifiedFile reads a file and fails unless it has exactly the recorded bytes.
type verifiedFile struct {
	fs      *sentFS
	entry   *entry
	file    *os.File
	content digestReader
}

func (v *verifiedFile) Read(p []byte) (n int, err error) {
	err = v.fs.guard(func() (err error) { n, err = v.readVerified(p); return err })
	return n, err
}

// readVerified reads the next bytes. It returns a *ChangedError and ends the transfer if they are not those recorded.
func (v *verifiedFile) readVerified(p []byte) (int, error) {
	n, err := v.content.Read(p)
	if err != nil && v.fs.ctx.Err() != nil { // the transfer has ended, which says nothing about the file
		return 0, err
	}
	if cause := v.compare(err); cause != nil {
		err := newChangedError(v.entry.path, cause)
		v.fs.fail(err)
		return 0, err
	}
	return n, err
}

// compare returns what is wrong with the bytes read so far, after a read that returned err. It returns nil if nothing
// is.
func (v *verifiedFile) compare(err error) error {
	size := v.entry.size
	switch {
	case v.content.n > size:
		return &sizeError{was: size, now: v.content.n}
	case err == nil:
		return nil
	case err != io.EOF: //nolint:errorlint // io.Reader returns the bare value
		return err
	case v.content.n < size:
		return &sizeError{was: size, now: v.content.n}
	case v.content.sum() != v.entry.sum:
		return &sizeError{was: size, now: size}
	}
	return nil
}

func (v *verifiedFile) Close() error { return v.file.Close() }
