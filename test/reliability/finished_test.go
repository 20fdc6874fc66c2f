//go:build linux

package reliability

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readFinished returns the lines of the cases that an earlier run has finished without a violation.
func readFinished(t testing.TB) map[string]bool {
	t.Helper()
	done := map[string]bool{}
	if *finished == "" {
		return done
	}
	text, err := os.ReadFile(*finished)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		c, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		done[c] = true
	}
	return done
}

// openLog opens the file of finished cases for the plugin in programs, or returns nil. The first line of the file names
// the plugin by a hash. A file of another plugin is renamed to .old and begun anew, unless -keep is set. Then a line
// says from where on its cases are those of this plugin.
func openLog(t *testing.T, programs string) *os.File {
	t.Helper()
	if *finished == "" {
		return nil
	}
	plugin, err := os.ReadFile(filepath.Join(programs, pluginName))
	if err != nil {
		t.Fatal(err)
	}
	header := fmt.Sprintf("plugin sha256:%x\n", sha256.Sum256(plugin))
	text, err := os.ReadFile(*finished)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	same := strings.HasPrefix(string(text), header)
	if len(text) > 0 && !same && !*keep {
		t.Logf("%s is of another plugin: every case runs again. Its cases are kept in %[1]s.old", *finished)
		if err := os.Rename(*finished, *finished+".old"); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.OpenFile(*finished, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil && !same {
		_, err = log.WriteString(header)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}
