package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// trust is what the daemon is told about registries, by host. It reads that when it starts: one that trusts others is
// another daemon, in a folder of its own below the one of all.
type trust map[string]trusted

type trusted struct {
	certificates []byte // PEM; nil: those that the machine trusts
	plainHTTP    bool
}

// readTrust reads the files.
func readTrust(ctx context.Context, registries map[string]Registry) (trust, error) {
	read := trust{}
	for host, r := range registries {
		one := trusted{plainHTTP: r.PlainHTTP}
		if r.CAFile != "" {
			var err error
			if one.certificates, err = r.certificates(ctx); err != nil {
				return nil, fmt.Errorf("the CA file of %s: %w", host, err)
			}
		}
		read[host] = one
	}
	return read, nil
}

// certificates returns the content of the CAFile. It returns an *Error when the file cannot be used.
func (r Registry) certificates(ctx context.Context) ([]byte, error) {
	content, err := file.Project(r.Project).ReadNamed(ctx, r.CAFile, file.LimitText)
	if errors.As(err, new(*file.LinkError)) {
		return nil, &Error{Fault: CAFileLink, Path: r.CAFile, Cause: err}
	}
	if err != nil {
		return nil, &Error{Fault: CAFile, Path: r.CAFile, Cause: err}
	}
	return content, nil
}

// place returns the place below base of a daemon that trusts them, with the files that say so. Without any it is base.
//
// The name of its folder has a part of a digest only, for the path of a socket is short: the files decide. A folder
// with others is passed over.
func (t trust) place(ctx context.Context, base place) (place, error) {
	if len(t) == 0 {
		return base, nil
	}
	lock, err := takeLock(ctx, base, trustLock, unix.LOCK_EX)
	if err != nil {
		return place{}, err
	}
	defer func() { _ = lock.Close() }()
	for name := t.name(); ; name += "-" {
		p, err := base.child(ctx, name)
		if err != nil {
			return place{}, err
		}
		ok, err := t.settle(p)
		if ok && err == nil {
			return p, nil
		}
		if err := errors.Join(err, p.Close()); err != nil {
			return place{}, unusable(p.Path(), err)
		}
	}
}

func (t trust) name() string {
	h := sha256.New()
	for _, host := range slices.Sorted(maps.Keys(t)) {
		_, _ = fmt.Fprintf(h, "%d:%s%t%d:%s", len(host), host, t[host].plainHTTP, len(t[host].certificates), t[host].certificates)
	}
	return fmt.Sprintf("trust-%x", h.Sum(nil)[:4])
}

// settle writes the files of the trust into the place. It returns false, and writes nothing, if those of another one
// are there.
func (t trust) settle(p place) (bool, error) {
	files := t.files(p)
	missing := map[string][]byte{}
	for name, want := range files {
		have, err := p.Read(name, int64(len(want)))
		tooLarge, _ := errors.AsType[*file.TooLargeError](err)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing[name] = want
		case tooLarge != nil || err == nil && !bytes.Equal(have, want):
			return false, nil
		case err != nil:
			return false, explainPlanted(p, err)
		}
	}
	if _, incomplete := missing[registriesFile]; len(missing) > 0 && !incomplete {
		return false, nil // the certificates of a daemon that may run
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) { // the certificates before what names them
		if err := p.Write(name, missing[name]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// files are what the daemon will read, by name.
func (t trust) files(p place) map[string][]byte {
	files, text := map[string][]byte{}, ""
	for i, host := range slices.Sorted(maps.Keys(t)) {
		text += fmt.Sprintf("\n[registry.%s]\n", quote(host))
		if t[host].plainHTTP {
			text += "http = true\n"
		}
		if t[host].certificates == nil {
			continue
		}
		name := fmt.Sprintf("ca-%d.pem", i)
		files[name] = t[host].certificates
		text += fmt.Sprintf("ca = [%s]\n", quote(certificatePath(p, name)))
	}
	if text != "" {
		files[registriesFile] = []byte(text)
	}
	return files
}

// certificatePath returns the path of a file in the configuration. It is the one that earlier releases wrote, or their daemons'
// folders would be taken for those of other registries.
func certificatePath(p place, name string) string {
	if path := p.path(name); utf8.ValidString(path) {
		return path
	}
	return inDaemon(name)
}

// registriesFile is the part of buildkitd.toml that is about registries.
const registriesFile = "registries.toml"

// registriesConfig is that part, or nothing.
func (p place) registriesConfig() (string, error) {
	text, err := p.Read(registriesFile, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
