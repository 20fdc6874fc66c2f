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

// trust says how the daemon reaches registries, by host. The daemon reads it when it starts: one that trusts others is
// another daemon, in a folder of its own below the one of all.
type trust map[string]hostTrust

type hostTrust struct {
	certificates []byte // PEM; nil: those that the machine trusts
	plainHTTP    bool
}

// readTrust reads the files of the registries' authorities. It returns an *Error when one cannot be used.
func readTrust(ctx context.Context, registries map[string]Registry) (trust, error) {
	read := trust{}
	for host, r := range registries {
		one := hostTrust{plainHTTP: r.PlainHTTP}
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

// openFolder opens the folder below base of a daemon that trusts them, and writes the files that say so. It returns
// base if there are none.
//
// The name of the folder has a part of a digest only, for the path of a socket is short: the files decide. openFolder
// passes over a folder with others.
func (t trust) openFolder(ctx context.Context, base daemonFolder) (daemonFolder, error) {
	if len(t) == 0 {
		return base, nil
	}
	lock, err := openAndLock(ctx, base, trustLock, unix.LOCK_EX)
	if err != nil {
		return daemonFolder{}, err
	}
	defer func() { _ = lock.Close() }()
	for name := t.name(); ; name += "-" {
		f, err := base.child(ctx, name)
		if err != nil {
			return daemonFolder{}, err
		}
		ok, err := t.writeTo(f)
		if ok && err == nil {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return daemonFolder{}, folderError(f.Path(), err)
		}
	}
}

func (t trust) name() string {
	h := sha256.New()
	for _, host := range slices.Sorted(maps.Keys(t)) {
		one := t[host]
		_, _ = fmt.Fprintf(h, "%d:%s%t%d:%s", len(host), host, one.plainHTTP, len(one.certificates), one.certificates)
	}
	return fmt.Sprintf("trust-%x", h.Sum(nil)[:4])
}

// writeTo writes the files of the trust into the folder. It returns false, and writes nothing, if those of another one
// are there.
func (t trust) writeTo(f daemonFolder) (bool, error) {
	files := t.files(f)
	missing := map[string][]byte{}
	for name, want := range files {
		have, err := f.Read(name, int64(len(want)))
		tooLarge, _ := errors.AsType[*file.TooLargeError](err)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing[name] = want
		case tooLarge != nil || err == nil && !bytes.Equal(have, want):
			return false, nil
		case err != nil:
			return false, explainPlanted(f, err)
		}
	}
	if _, incomplete := missing[registriesFile]; len(missing) > 0 && !incomplete {
		return false, nil // the certificates of a daemon that may run
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) { // the certificates before what names them
		if err := f.Write(name, missing[name]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// files returns what the daemon will read, by name.
func (t trust) files(f daemonFolder) map[string][]byte {
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
		text += fmt.Sprintf("ca = [%s]\n", quote(certificatePath(f, name)))
	}
	if text != "" {
		files[registriesFile] = []byte(text)
	}
	return files
}

// certificatePath returns the path of a file in the configuration.
//
// It is the path that earlier releases wrote. With another one, their daemons' folders would be taken for those of
// other registries.
func certificatePath(f daemonFolder, name string) string {
	if path := f.path(name); utf8.ValidString(path) {
		return path
	}
	return inDaemon(name)
}

// registriesFile is the part of buildkitd.toml that is about registries.
const registriesFile = "registries.toml"

// registriesConfig returns that part, or "" when it is not there.
func registriesConfig(f daemonFolder) (string, error) {
	text, err := f.Read(registriesFile, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
