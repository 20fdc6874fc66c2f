// Command archive writes files into a .tar.gz. Only the names and contents of the files and the given time decide its
// bytes. An argument is the path of a file, which gets its base name. FOLDER=PATH puts the file into a folder of the
// archive.
package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	out := flag.String("out", "", "the archive: replaced when it is whole")
	seconds := flag.Int64("time", 0, "modification time of every file, in seconds since 1970")
	flag.Parse()
	if err := run(*out, time.Unix(*seconds, 0).UTC(), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

// run writes the archive to a temporary file, and renames it when it is complete.
func run(out string, modified time.Time, files []string) error {
	part, err := os.Create(out + ".part")
	if err != nil {
		return err
	}
	err = errors.Join(write(part, modified, files), part.Close())
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return os.Rename(part.Name(), out)
}

// write writes the archive, sorted by name. The gzip header has neither name nor time.
func write(w io.Writer, modified time.Time, files []string) error {
	zip, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(zip)
	members := make([]member, len(files))
	for i, file := range files {
		members[i] = newMember(file)
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for _, m := range members {
		if err := add(archive, modified, m); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}

// member is a file of the archive.
type member struct{ name, path string }

// newMember returns the member for an argument.
func newMember(argument string) member {
	folder, file, ok := strings.Cut(argument, "=")
	if !ok {
		return member{name: filepath.Base(argument), path: argument}
	}
	return member{name: folder + "/" + filepath.Base(file), path: file}
}

// add writes one file. It keeps only whether the file may be executed, because the other permissions depend on the
// umask.
func add(archive *tar.Writer, modified time.Time, m member) error {
	file, err := os.Open(m.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := tar.Header{Name: m.name, Mode: 0o644, Size: info.Size(), ModTime: modified, Format: tar.FormatUSTAR}
	if info.Mode()&0o100 != 0 || strings.HasSuffix(m.name, ".exe") {
		header.Mode = 0o755
	}
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
