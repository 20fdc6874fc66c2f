//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Folders and files may have any name, with characters that are special in a URL, a list of options or a pattern.
func TestAnyNameOfAFile(t *testing.T) {
	t.Parallel()
	const odd = "a%2Fb%zz#c?d:e,f=g\\h\"i'j k\nl@m[n]é☃*"
	const printable = "a%2Fb%zz#c?d:e,f=g\\h\"i'j k" // BuildKit accepts only these in a cache
	quote := func(text string) string {
		quoted, err := json.Marshal(text)
		must(t, err)
		return string(quoted)
	}
	for _, part := range []string{"context", "dockerfile", "files"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			in := map[string]string{"context": "ctx", "dockerfile": "Dockerfile", "files": "out"}
			in[part] = odd
			properties := "platforms: [linux/amd64]\ntags: [\"REPO:1\"]\ncontext: { location: " + quote(in["context"]) +
				" }\n" +
				"dockerfile: { location: " + quote(in["context"]+"/"+in["dockerfile"]) + " }\n"
			if part == "files" {
				properties += "exports:\n  - local: { dest: " + quote(in[part]) + " }\n  - tar: { dest: " +
					quote(in[part]+".tar") + " }\n" +
					"cacheTo:\n  - local: { dest: " + quote(printable) + " }\ncacheFrom:\n  - local: { src: " +
					quote(printable) + " }\n"
			}
			s := open(t, project(t, properties, map[string]string{
				in["context"] + "/" + in["dockerfile"]:          "FROM scratch\nCOPY . /app\n",
				in["context"] + "/kept/" + odd + "/" + odd:      "text\n",
				in["context"] + "/" + "Dockerfile.dockerignore": "nothing\n",
			}))
			succeeds(t, s.Up("--skip-preview"), "+ 2 created")
			if part == "files" {
				text, err := os.ReadFile(filepath.Join(s.Dir, odd, "app/kept", odd, odd))
				if err != nil || string(text) != "text\n" {
					t.Errorf("%q, %v", text, err)
				}
			}
			must(t, s.Write(in["context"]+"/more", strings.Repeat("more", 3)))
			succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
		})
	}
}
