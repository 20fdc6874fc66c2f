//go:build linux

package attacks

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile, and the folder of the repository that the program exports to.

// special is a Dockerfile whose image has files that are not plain.
const special = `FROM BUSYBOX AS made
RUN mkdir -p /o/d /o/planted /o/inner && cd /o && cp /bin/busybox suid && chmod 6755 suid && chmod 2755 d && \
    mknod zero c 1 5 && mkfifo d/pipe && \
    ln -s /etc etc && ln -s ../../../beside up && ln suid hard && ln zero zero2 && \
    echo new >planted/f && echo new >inner/f && echo new >replaced
FROM scratch
COPY --from=made /o /
`

func TestALocalExportIsPlainFiles(t *testing.T) {
	t.Parallel()
	for name, export := range map[string]string{
		"typed": "{local: {dest: ./out}}", "raw": "{raw: 'type=local,dest=out'}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test := shared.Open(t, shared.Project(t, app+"exports: ["+export+"]\n", map[string]string{
				"app/Dockerfile": special, "out/kept": "", "out/inside/f": "old", "outside/f": "old",
			}))
			out := filepath.Join(test.Dir, "out")
			for link, text := range map[string]string{
				"planted": "../outside", "inner": "inside", "replaced": "../outside/f",
			} {
				if err := os.Symlink(text, filepath.Join(out, link)); err != nil {
					t.Fatal(err)
				}
			}
			r := test.Up()
			stack.Succeeds(t, r, "plain files only were written", `"suid"`, `"zero"`, `"d/pipe"`,
				"Export tar to keep them")
			wantPlain(t, out)
			for file, want := range map[string]string{
				"outside/f": "old", "out/inside/f": "old", "out/planted/f": "new\n", "out/inner/f": "new\n",
				"out/replaced": "new\n", "out/kept": "",
			} {
				if text, err := os.ReadFile(filepath.Join(test.Dir, file)); err != nil || string(text) != want {
					t.Errorf("%s: %q, %v", file, text, err)
				}
			}
			if text, err := os.Readlink(filepath.Join(out, "etc")); err != nil || text != "/etc" {
				t.Errorf("the link to /etc: %q, %v", text, err)
			}
		})
	}
}

func wantPlain(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		info, err := d.Info()
		if err == nil && (info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 ||
			info.Mode().Type()&^(fs.ModeDir|fs.ModeSymlink) != 0) {
			t.Errorf("%s is %s", path, info.Mode())
		}
		return err
	})
	if err != nil || n < 8 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// A folder of the repository that is a link must not choose which files of the machine an image replaces.
func TestNothingIsWrittenThroughALinkOutOfTheProject(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct{ properties, link, warning string }{
		"local":  {properties: "exports: [{local: {dest: ./out/new}}]\n", link: "out"},
		"tar":    {properties: "exports: [{tar: {dest: ./out/new.tar}}]\n", link: "out"},
		"layout": {properties: "exports: [{oci: {dest: ./out, tar: false}}]\n", link: "out"},
		"cache": {properties: "cacheTo: [{local: {dest: ./out/new}}]\n", link: "out", warning: "write the path of " +
			"its target in dest, or let the link lead into the project. "},
		"blobs of cache": {properties: "cacheTo: [{local: {dest: ./cache}}]\n", link: "cache/blobs", warning: "it is " +
			"a link or another kind of file than a cache has; remove it. "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			around := t.TempDir()
			test := shared.Open(t, shared.Project(t, app+attack.properties,
				map[string]string{"app/Dockerfile": "FROM BUSYBOX\nRUN true\n", "cache/x": ""}))
			if err := os.Symlink(around, filepath.Join(test.Dir, attack.link)); err != nil {
				t.Fatal(err)
			}
			r := test.Up()
			if link := filepath.Join(test.Dir, attack.link) + ": "; attack.warning == "" {
				stack.Fails(t, r, link, "nothing was written. Write the path of its target in dest")
			} else {
				stack.Succeeds(t, r, " was not written: "+link, attack.warning+"The image is complete without it")
			}
			if entries, err := os.ReadDir(around); err != nil || len(entries) > 0 {
				t.Errorf("outside there is %v, %v", entries, err)
			}
		})
	}
}

// The index of a cache that is a link shows nothing of its target, neither when it is read nor when it is written.
func TestTheIndexOfACacheShowsNothing(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{
		"cacheTo: [{local: {dest: ./cache}}]\n", "cacheFrom: [{local: {src: ./cache}}]\n",
	} {
		test, canary := openWithLinks(t, app+direction, map[string]string{"cache/x": ""},
			map[string]string{"cache/index.json": "/proc/self/environ"})
		r := test.Up()
		stack.Says(t, r, "cache/index.json")
		wantNoCanary(t, test, r, canary)
	}
}

func TestAnExportThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	test := shared.Open(t, shared.Project(t, app+"exports: [{tar: {dest: ./out/image.tar}}]\n", map[string]string{
		"app/Dockerfile": "FROM BUSYBOX\nRUN true\n", "out/image.tar/kept": "",
	}))
	stack.Fails(t, test.Up(), "image.tar")
	entries, err := os.ReadDir(filepath.Join(test.Dir, "out"))
	if err != nil || len(entries) != 1 {
		t.Errorf("there is %v, %v", entries, err)
	}
}
