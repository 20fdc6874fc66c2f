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

// authorities are the certificates, PEM, of who signs for a registry beside those that the machine trusts, by host. The daemon reads them
// when it starts: one that trusts others is another daemon, in a folder of its own below the one of all.
type authorities map[string][]byte

// readAuthorities reads the files, by host.
func readAuthorities(files map[string]string) (authorities, error) {
	read := authorities{}
	for host, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the CA file of %s: %w; correct it in registries", host, err)
		}
		read[host] = text
	}
	return read, nil
}

// folder is that of a daemon that trusts them.
func (a authorities) folder(dir string) string {
	if len(a) == 0 {
		return dir
	}
	h := sha256.New()
	for _, host := range slices.Sorted(maps.Keys(a)) {
		_, _ = fmt.Fprintf(h, "%d:%s%d:%s", len(host), host, len(a[host]), a[host])
	}
	return filepath.Join(dir, fmt.Sprintf("ca-%x", h.Sum(nil)[:4]))
}

// write leaves in the folder what the daemon will read. The name of the folder says what that is, so that it may be there already.
func (a authorities) write(dir string) error {
	text := ""
	for i, host := range slices.Sorted(maps.Keys(a)) {
		file := filepath.Join(dir, fmt.Sprintf("ca-%d.pem", i))
		if err := os.WriteFile(file, a[host], 0o600); err != nil {
			return err
		}
		text += fmt.Sprintf("\n[registry.%s]\nca = [%s]\n", strconv.Quote(host), strconv.Quote(file))
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
