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

// trust says how the daemon reaches registries, by host. The daemon reads it only when it starts. So each trust has its
// own daemon, in a folder below the folder of the daemon that has no trust.
type trust map[string]hostTrust

type hostTrust struct {
	certificates []byte // PEM; nil: only the machine's own authorities are trusted
	plainHTTP    bool
	mirrors      []string // asked before the host, in this order
}

// readTrust reads the files with the registries' certificate authorities. It returns an *Error if a file cannot be
// used.
func readTrust(ctx context.Context, registries map[string]Registry) (trust, error) {
	t := trust{}
	for host, r := range registries {
		one := hostTrust{plainHTTP: r.PlainHTTP, mirrors: r.Mirrors}
		if r.CAFile != "" {
			var err error
			if one.certificates, err = r.certificates(ctx); err != nil {
				return nil, fmt.Errorf("the CA file of %s: %w", host, err)
			}
		}
		t[host] = one
	}
	return t, nil
}

// certificates returns the content of the CAFile. It returns an *Error if the file cannot be used.
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

// openFolder opens the folder below base of the daemon with this trust, and writes the files of the trust into it. It
// returns base if the trust is empty.
//
// The folder's name has only the beginning of a digest, because the path of a socket must be short. So two trusts may
// have the same name: openFolder skips a folder with the files of another trust, and takes the next name.
func (t trust) openFolder(ctx context.Context, base daemonFolder) (daemonFolder, error) {
	if len(t) == 0 {
		return base, nil
	}
	lock, err := openAndLock(ctx, base, trustLockFile, unix.LOCK_EX)
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
		for _, mirror := range one.mirrors { // without any, the name is that of earlier releases
			_, _ = fmt.Fprintf(h, "mirror %d:%s", len(mirror), mirror)
		}
	}
	return fmt.Sprintf("trust-%x", h.Sum(nil)[:4])
}

// writeTo writes the files of the trust into the folder. It returns false, and writes nothing, if the files of another
// trust are there.
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
		return false, nil // the other files belong to a daemon that may run
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) { // ca-0.pem sorts before registries.toml, which names it
		if err := f.Write(name, missing[name]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// files returns the content of the files that the daemon reads, by name.
func (t trust) files(f daemonFolder) map[string][]byte {
	files, text := map[string][]byte{}, ""
	for i, host := range slices.Sorted(maps.Keys(t)) {
		text += fmt.Sprintf("\n[registry.%s]\n", quote(host))
		if t[host].plainHTTP {
			text += "http = true\n"
		}
		if len(t[host].mirrors) > 0 {
			text += fmt.Sprintf("mirrors = [%s]\n", quoteList(t[host].mirrors))
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

// certificatePath returns the path of a certificate file, as the configuration has it.
//
// Earlier releases wrote the file's own path. If this release wrote another one, the folders of their daemons would
// seem to have another trust. Only a path that is not UTF-8 has to differ.
func certificatePath(f daemonFolder, name string) string {
	if path := f.path(name); utf8.ValidString(path) {
		return path
	}
	return inDaemon(name)
}

// registriesFile holds the part of buildkitd.toml that is about registries.
const registriesFile = "registries.toml"

// registriesConfig returns the content of registriesFile, or "" if there is no such file.
func registriesConfig(f daemonFolder) (string, error) {
	text, err := f.Read(registriesFile, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
