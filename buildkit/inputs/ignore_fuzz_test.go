package inputs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Whatever an ignore file says, the context is recorded without the canary that it leaves out, or the error names the
// file.
func FuzzIgnoreFile(f *testing.F) {
	for _, seed := range []string{
		"", "*\n!f", "**/f\n", "\xef\xbb\xbf# comment\n/f", "!", "[", "\\", "a/../..", "/\n//\n!/", "**\n!**/d\n",
		"f\x00g", "{a,b}", "[^a]*", "d/**/\n",
	} {
		f.Add([]byte(seed), "COPY . .")
		f.Add([]byte(seed), "COPY d/* f* /x/")
	}
	f.Fuzz(func(t *testing.T, ignore []byte, instruction string) {
		dir := t.TempDir()
		write(t, dir, map[string]string{
			"Dockerfile": "FROM scratch\n" + instruction + "\n",
			"f":          "",
			"d/g":        "",
			"canary":     "",
		})
		// The last line wins.
		if err := os.WriteFile(filepath.Join(dir, ignoreFile), append(ignore, "\ncanary\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := Load(t.Context(), Plan{Files: Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}})
		if err != nil {
			if len(ignore) <= file.LimitText && errors.As(err, new(*file.TooLargeError)) {
				t.Error(err)
			}
			return
		}
		for _, path := range in.trees[contextSource].Paths() {
			if path == "canary" {
				t.Errorf("%q does not leave the canary out", ignore)
			}
		}
	})
}
