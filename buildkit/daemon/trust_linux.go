package daemon

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// trust is what the daemon is told about registries, by host. It reads that when it starts: one that trusts others is another daemon, in a
// folder of its own below the one of all.
type trust map[string]trusted

type trusted struct {
	certificates []byte // PEM; nil: those that the machine trusts
	plainHTTP    bool
}

// readTrust reads the files.
func readTrust(registries map[string]Registry) (trust, error) {
	read := trust{}
	for host, r := range registries {
		one := trusted{plainHTTP: r.PlainHTTP}
		if r.CAFile != "" {
			var err error
			if one.certificates, err = os.ReadFile(r.CAFile); err != nil {
				return nil, fmt.Errorf("the CA file of %s: %w; correct it in registries", host, err)
			}
		}
		read[host] = one
	}
	return read, nil
}

// folder is that of a daemon that trusts them.
func (t trust) folder(dir string) string {
	if len(t) == 0 {
		return dir
	}
	h := sha256.New()
	for _, host := range slices.Sorted(maps.Keys(t)) {
		_, _ = fmt.Fprintf(h, "%d:%s%t%d:%s", len(host), host, t[host].plainHTTP, len(t[host].certificates), t[host].certificates)
	}
	return filepath.Join(dir, fmt.Sprintf("trust-%x", h.Sum(nil)[:4]))
}

// write leaves in the folder what the daemon will read. The name of the folder says what that is, so that it may be there already.
func (t trust) write(dir string) error {
	text := ""
	for i, host := range slices.Sorted(maps.Keys(t)) {
		text += fmt.Sprintf("\n[registry.%s]\n", strconv.Quote(host))
		if t[host].plainHTTP {
			text += "http = true\n"
		}
		if t[host].certificates == nil {
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("ca-%d.pem", i))
		if err := os.WriteFile(file, t[host].certificates, 0o600); err != nil {
			return err
		}
		text += fmt.Sprintf("ca = [%s]\n", strconv.Quote(file))
	}
	if text == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, registriesFile), []byte(text), 0o600)
}

// registriesFile is the part of buildkitd.toml that is about registries.
const registriesFile = "registries.toml"

// registriesConfig is that part, or nothing.
func registriesConfig(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, registriesFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
