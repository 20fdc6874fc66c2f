//go:build linux

package attacks

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// inApp has the context and the tags of a program.
const inApp = "context: {location: ./app}\n"

// The attacker writes the Dockerfile and the build context of one build, such as the preview of a pull request, and
// wants another build, with the inputs of others, to give the attacker's image.

// The attacker has made inputs whose hash begins with the same digits as that of the victim's inputs. Their image is in
// the registry under these digits. The attacker need not push: it suffices that somebody builds the attacker's inputs.
func TestAnImageUnderTheBeginningOfAHashIsNotTaken(t *testing.T) {
	t.Parallel()
	files := map[string]string{"app/Dockerfile": "FROM scratch\nCOPY f /\n", "app/f": "ours\n"}
	at := func(repository, mark string) *stack.Test {
		return shared.Open(t, shared.Project(t, inApp+"platforms: [linux/amd64]\ntags: [\""+repository+":"+mark+"\"]\n",
			files))
	}
	first := at("REPO", "{hash}")
	stack.Succeeds(t, first.Up("--skip-preview"))
	ours := imageOf(t, first)
	tag := ours.Outputs["refs"].([]any)[0].(string)
	hash := tag[strings.LastIndex(tag, ":")+1:]
	if len(hash) != 64 {
		t.Errorf("{hash} is %s", hash)
	}
	for mark, digits := range map[string]int{"{hash}": 12, "{hash:12}": 12, "{hash:40}": 40} {
		registry := registrytest.New(t)
		planted := registry.Push(t, "app:"+hash[:min(digits, len(hash))], registrytest.Index(t, "linux/amd64"))
		second := at(registry.Host()+"/app", mark)
		stack.Succeeds(t, second.Up()) // with a preview
		if digest := imageOf(t, second).Outputs["digest"]; digest == planted || digest != ours.Outputs["digest"] {
			t.Errorf("%s: the image is %v, planted was %s, and ours is %v", mark, digest, planted,
				ours.Outputs["digest"])
		}
	}
}

// With an epoch every file has the same second. So have files that are extracted or checked out with one time. The two
// files of a pair then look the same to the daemon.
func TestAFileThatLooksTheSameToTheDaemonIsNotTaken(t *testing.T) {
	t.Parallel()
	evil, good := findCollision(t, func(who string, i int) string { return fmt.Sprintf("%s %08d\n", who, i) })
	for name, attack := range map[string]struct {
		properties string
		second     int64 // of the file; 0: when it was written
	}{
		"an epoch":                     {properties: "sourceDateEpoch: 1\n"},
		"a time of its own":            {second: 1e9},
		"an epoch, everything watched": {properties: "sourceDateEpoch: 1\nwatch: all\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"app/Dockerfile": "FROM scratch\nCOPY f /\n", "app/f": ""}
			test := shared.Open(t, shared.Project(t,
				inApp+attack.properties+"platforms: [linux/amd64]\ntags: [\"REPO:1\"]\n", files))
			write := func(text string) {
				err := test.Write("app/f", text)
				if at := time.Unix(attack.second, 0); err == nil && attack.second > 0 {
					err = os.Chtimes(filepath.Join(test.Dir, "app/f"), at, at)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			write(evil)
			stack.Succeeds(t, test.Preview())
			write(good)
			stack.Succeeds(t, test.Up("--skip-preview"))
			if content := readImageFile(t, imageOf(t, test).Outputs["repoDigest"].(string), "f"); content != good {
				t.Errorf("the image has %q and not %q", content, good)
			}
		})
	}
}

// findCollision returns an evil and a good text of one length with the same nanoseconds, which are the digest modulo a
// billion. An attacker who knows the good text finds an evil one in a minute. Where both are free, it takes a moment.
func findCollision(t *testing.T, text func(who string, i int) string) (evil, good string) {
	t.Helper()
	nanoseconds := func(s string) uint64 {
		sum := sha256.Sum256([]byte(s))
		return binary.BigEndian.Uint64(sum[:8]) % 1e9
	}
	const tries = 1 << 17
	evils := make(map[uint64]int, tries)
	for i := range tries {
		evils[nanoseconds(text("evil", i))] = i
	}
	for i := range tries {
		good := text("good", i)
		if j, ok := evils[nanoseconds(good)]; ok {
			return text("evil", j), good
		}
	}
	t.Fatal("no collision")
	return "", ""
}

// imageOf returns the one image of a stack.
func imageOf(t *testing.T, test *stack.Test) stack.Resource {
	t.Helper()
	for _, r := range test.Export() {
		if r.Type == "buildkit:index:Image" {
			return r
		}
	}
	t.Fatal("there is no image")
	return stack.Resource{}
}

// readImageFile returns the content of a file of an image for linux/amd64.
func readImageFile(t *testing.T, reference, path string) string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithContext(t.Context()),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
	if err != nil {
		t.Fatal(err)
	}
	archive := mutate.Extract(image)
	defer func() { _ = archive.Close() }()
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("%s has no %s", reference, path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimPrefix(header.Name, "/") == path {
			text, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
}
