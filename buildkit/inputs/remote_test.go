package inputs

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder that is there is a folder, whatever its name could be besides. Nothing else changes what a location is.
func TestLocateContext(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{
		"github.com/acme/app", "git@github.com:acme/app", "me@host:path", "github.com/acme/app#main:web",
		"https:/github.com/acme/app.git", "plain", "github.com/acme/real"} {
		if err := os.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("github.com/acme/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"github.com/acme/link": "real", "github.com/acme/broken": "nowhere"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for location, want := range map[string]struct {
		located string
		remote  bool
	}{
		"github.com/acme/app":                {"./github.com/acme/app", false},
		"github.com/acme/app/":               {"./github.com/acme/app/", false},
		"git@github.com:acme/app":            {"./git@github.com:acme/app", false},
		"me@host:path":                       {"./me@host:path", false},
		"github.com/acme/app#main:web":       {"./github.com/acme/app#main:web", false},
		"github.com/acme/link":               {"./github.com/acme/link", false},
		"plain":                              {"plain", false},
		"nothing":                            {"nothing", false},
		"./github.com/acme/app":              {"./github.com/acme/app", false},
		"github.com/acme/app#main":           {"github.com/acme/app#main", true},
		"github.com/acme/other":              {"github.com/acme/other", true},
		"github.com/acme/file":               {"github.com/acme/file", true},
		"github.com/acme/broken":             {"github.com/acme/broken", true},
		"git@github.com:acme/other":          {"git@github.com:acme/other", true},
		"https://github.com/acme/app.git":    {"https://github.com/acme/app.git", true},
		"HTTPS://github.com/acme/app.git":    {"HTTPS://github.com/acme/app.git", true},
		"ssh://git@github.com/acme/app":      {"ssh://git@github.com/acme/app", true},
		"docker-image://github.com/acme/app": {"docker-image://github.com/acme/app", false},
	} {
		if got := LocateContext(location); got != want.located || IsRemote(got) != want.remote {
			t.Errorf("%s: got %s, remote: %v", location, got, IsRemote(got))
		}
	}
}

// The lower-case name counts where nothing has the usual one.
func TestFindDockerfile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{
		"both/Dockerfile", "both/dockerfile", "lower/dockerfile", "upper/Dockerfile",
		"other/my.dockerfile",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat("lower/Dockerfile"); err == nil {
		t.Skip("NOT RUN: this file system does not tell names by their case")
	}
	for path, want := range map[string]string{
		"both/Dockerfile":       "both/Dockerfile",
		"lower/Dockerfile":      "lower/dockerfile",
		"./lower/Dockerfile":    "lower/dockerfile",
		"upper/Dockerfile":      "upper/Dockerfile",
		"upper/dockerfile":      "upper/dockerfile",
		"lower/Dockerfile/":     "lower/Dockerfile/",
		"lower/Dockerfile.prod": "lower/Dockerfile.prod",
		"other/my.Dockerfile":   "other/my.Dockerfile",
		"none/Dockerfile":       "none/Dockerfile",
	} {
		if got := FindDockerfile(path); filepath.ToSlash(got) != want {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
