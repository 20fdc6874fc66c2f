package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// pulumiFolderName is the name of two folders of Pulumi: that of the state on a file backend, and its home.
const pulumiFolderName = ".pulumi"

// projectNames lists the possible names of a project file.
var projectNames = []string{"Pulumi.yaml", "Pulumi.yml", "Pulumi.json"}

// stateFolder returns the folder in which the backend of this run keeps its state, or "" if that is not a file backend.
func stateFolder(ctx context.Context) string {
	rest, ok := strings.CutPrefix(backendURL(ctx), "file://")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	if strings.HasPrefix(rest, "~") {
		account, err := user.Current()
		if err != nil {
			return ""
		}
		rest = filepath.Join(account.HomeDir, rest[min(2, len(rest)):])
	}
	if !filepath.IsAbs(rest) {
		rest = filepath.Join(commandFolder(), rest)
	}
	// The CLI turns the path into a URL and opens the path of that URL.
	parsed, err := url.Parse("file://" + filepath.ToSlash(filepath.Clean(rest)))
	if err == nil && filepath.Separator == '/' {
		rest = parsed.Path
	}
	return filepath.Join(rest, pulumiFolderName)
}

// backendURL returns the URL of this run's state, found as the CLI finds it, or "" for the default service. It ignores
// files that cannot be read, because the CLI would have failed on them before.
func backendURL(ctx context.Context) string {
	if named := os.Getenv("PULUMI_BACKEND_URL"); named != "" {
		return named
	}
	var project struct {
		Backend struct {
			URL string `yaml:"url"`
		} `yaml:"backend"`
	}
	text, err := file.Read(ctx, projectFile(), file.LimitText)
	if err == nil && yaml.Unmarshal(text, &project) == nil && project.Backend.URL != "" {
		return project.Backend.URL
	}
	var credentials struct {
		Current string `json:"current"`
	}
	if text, err := file.Read(ctx, credentialsFile(), file.LimitText); err == nil {
		_ = json.Unmarshal(text, &credentials) // an invalid file names no backend
	}
	return credentials.Current
}

// projectFile returns the path of the project file, or "" if there is none.
func projectFile() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	dir = findAbove(dir, projectNames...)
	for _, name := range projectNames {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); dir != "" && err == nil {
			return path
		}
	}
	return ""
}

// commandFolder returns the working directory of the CLI, to which the path of a backend is relative. On systems that
// do not tell it, it returns the folder of the project.
func commandFolder() string {
	if dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", os.Getppid())); err == nil {
		return dir
	}
	return filepath.Dir(projectFile())
}

// pulumiHome returns the folder of Pulumi's plugins and credentials, or "" if it is not known.
func pulumiHome() string {
	if dir := os.Getenv("PULUMI_HOME"); dir != "" {
		return dir
	}
	account, err := user.Current()
	if err != nil || account.HomeDir == "" {
		return ""
	}
	return filepath.Join(account.HomeDir, pulumiFolderName)
}

// credentialsFile returns the path of the file with the CLI's logins.
func credentialsFile() string {
	dir := os.Getenv("PULUMI_CREDENTIALS_PATH")
	if dir == "" {
		dir = pulumiHome()
	}
	return filepath.Join(dir, "credentials.json")
}
