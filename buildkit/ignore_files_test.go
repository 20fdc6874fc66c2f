package buildkit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// ignoreFileCases returns the cases of TestIgnoreFilesMatchBuildKit, by name.
func ignoreFileCases() map[string]map[string]string {
	const all, part = "FROM scratch\nCOPY . /x/\n", "FROM scratch\nCOPY d /x/\n"
	return map[string]map[string]string{
		"a plain file":                {"Dockerfile": all, ".dockerignore": "**/*.log\n"},
		"a plain file, a part copied": {"Dockerfile": part, ".dockerignore": "**/*.log\n"},
		"a file that ignores itself":  {"Dockerfile": all, ".dockerignore": "**/*.log\n.dockerignore\nDockerfile"},
		"an empty file":               {"Dockerfile": all, ".dockerignore": ""},
		"for this Dockerfile": {
			"Dockerfile": all, "Dockerfile.dockerignore": "**/*.log\n", ".dockerignore": "d/keep",
		},
		"for this Dockerfile, a part copied": {
			"Dockerfile": part, "Dockerfile.dockerignore": "**/*.log\n", ".dockerignore": "d/keep",
		},
		"for this Dockerfile, empty": {
			"Dockerfile": all, "Dockerfile.dockerignore": "", ".dockerignore": "**/*.log",
		},
		"for this Dockerfile, empty, a part copied": {
			"Dockerfile": part, "Dockerfile.dockerignore": "", ".dockerignore": "**/*.log",
		},
		"a link":                {"Dockerfile": all, ".dockerignore": "->ignored", "ignored": "**/*.log\n"},
		"a link, a part copied": {"Dockerfile": part, ".dockerignore": "->ignored", "ignored": "**/*.log\n"},
		"a dangling link":       {"Dockerfile": all, ".dockerignore": "->nowhere"},
		"for this Dockerfile, a link": {
			"Dockerfile": all, "Dockerfile.dockerignore": "->ignored", "ignored": "**/*.log\n",
		},
		"a Dockerfile that is a link":  {"Dockerfile": "->real", "real": all, ".dockerignore": "**/*.log\n"},
		"everything but one file":      {"Dockerfile": all, ".dockerignore": "*\n!d/x.log\n"},
		"a rooted link":                {"Dockerfile": all, ".dockerignore": "->/ignored", "ignored": "**/*.log\n"},
		"a rooted link, a part copied": {"Dockerfile": part, ".dockerignore": "->/ignored", "ignored": "**/*.log\n"},
		"a link out of the context": {
			"Dockerfile": all, ".dockerignore": "->../ignored", "../ignored": "**/*.log\n",
		},
		"a link out of the context, a part copied": {
			"Dockerfile": part, ".dockerignore": "->../ignored", "../ignored": "**/*.log\n",
		},
		"for this Dockerfile, a link out of the context": {
			"Dockerfile": all, "Dockerfile.dockerignore": "->../ignored", "../ignored": "**/*.log\n",
		},
		"a link to the machine":           {"Dockerfile": all, ".dockerignore": "->/proc/self/environ"},
		"a folder":                        {"Dockerfile": all, ".dockerignore/x": ""},
		"a wrong file beside the context": {"Dockerfile": all, "../lib/.dockerignore": "!\n", "../lib/f": ""},
		"a link that is all that is read": {
			"Dockerfile": "FROM scratch\nCOPY .dockerignore /x/\n", ".dockerignore": "->d/keep",
			"d/keep": "d\n!d/keep\n**/d\n",
		},
		"everything but one file, a part copied": {"Dockerfile": part, ".dockerignore": "*\n!d/x.log\n"},
		"byte order marks":                       {"Dockerfile": "\ufeff" + all, ".dockerignore": "\ufeff**/*.log\n"},
		"byte order marks, a part copied":        {"Dockerfile": "\ufeff" + part, ".dockerignore": "\ufeff**/*.log\n"},
		"a file in Latin-1": {
			"Dockerfile": "# caf\xe9\n" + all + "LABEL a=\xe9\n", ".dockerignore": "# caf\xe9\n**/*.log\ncaf\xe9\n",
		},
		"an undone exception":                {"Dockerfile": all, ".dockerignore": "d\n!d/x.log\n**/d\n"},
		"an undone exception, a part copied": {"Dockerfile": part, ".dockerignore": "d\n!d/x.log\n**/d\n"},
	}
}

// This package and BuildKit read ignore files in the same way: the images are equal, and the hash changes with a file
// if and only if BuildKit receives it. A content that begins with -> is a link.
func TestIgnoreFilesMatchBuildKit(t *testing.T) {
	t.Parallel()
	d := differential{c: daemonClient(t), registry: registrytest.New(t)}
	cases := ignoreFileCases()
	for name, files := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, files)
			before, err := d.observe(t.Context(), p)
			if err != nil || !before.built {
				t.Fatalf("built: %v, %v", before.built, err)
			}
			if err := d.sameImage(t.Context(), p, before.inputs); err != nil {
				t.Error(err)
			}
			must(os.WriteFile(filepath.Join(p.plan.Files.Context, "d", "x.log"), []byte("changed"), 0o644))
			after, err := d.observe(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if v := judge(before, after, "x.log", ""); v.text != "" {
				t.Error(v.text)
			}
		})
	}
}

// newProject makes a project of the given files and of two more: d/keep and d/x.log.
func newProject(t *testing.T, files map[string]string) project {
	t.Helper()
	root := t.TempDir()
	context := filepath.Join(root, "context")
	p := project{
		root: root,
		plan: inputs.Plan{Files: inputs.Files{
			Context: context, Dockerfile: filepath.Join(context, "Dockerfile"), Named: map[string]string{},
		}},
	}
	for name, content := range map[string]string{"d/keep": "keep", "d/x.log": "log"} {
		writeFile(filepath.Join(context, name), content)
	}
	for name, content := range files {
		writeFile(filepath.Join(context, name), content)
	}
	if _, err := os.Stat(filepath.Join(root, "lib")); err == nil {
		p.plan.Files.Named["lib"] = filepath.Join(root, "lib")
	}
	return p
}

// writeFile writes a file, or a link if the content begins with ->.
func writeFile(path, content string) {
	must(os.MkdirAll(filepath.Dir(path), 0o755))
	if len(content) > 2 && content[:2] == "->" {
		must(os.Symlink(content[2:], path))
		return
	}
	must(os.WriteFile(path, []byte(content), 0o644))
}
