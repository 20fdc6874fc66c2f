package source

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func paths(t *testing.T, dir string, excludes ...string) []string {
	t.Helper()
	scanned, err := Scan(t.Context(), dir, Scope{Excludes: excludes}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range scanned.entries {
		names = append(names, e.path)
	}
	return names
}

func TestScanFollowsIgnoreRules(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a": "", "a-b": "", "d/x.go": "", "d/y.md": "", "d/e/z.go": "", "n/m/k": ""}
	cases := map[string]struct{ excludes, want []string }{
		"nothing":       {nil, []string{"a", "a-b", "d", "d/e", "d/e/z.go", "d/x.go", "d/y.md", "n", "n/m", "n/m/k"}},
		"a folder":      {[]string{"d", "n"}, []string{"a", "a-b"}},
		"a pattern":     {[]string{"**/*.go", "n"}, []string{"a", "a-b", "d", "d/e", "d/y.md"}},
		"an exception":  {[]string{"*", "!d/e"}, []string{"d", "d/e", "d/e/z.go"}},
		"all":           {[]string{"*"}, nil},
		"deep negation": {[]string{"**", "!n/m/k"}, []string{"n", "n/m", "n/m/k"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := paths(t, writeTree(t, files), c.excludes...); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// BuildKit's receiver refuses any other order.
func TestScanOrdersChildrenBeforeSiblingsWithSmallerBytes(t *testing.T) {
	t.Parallel()
	got := paths(t, writeTree(t, map[string]string{"a/b": "", "a-b": "", "a.b": ""}))
	if want := []string{"a", "a/b", "a-b", "a.b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScanLeavesOutWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"file": "x"})
	if err := makeFIFO(filepath.Join(dir, "fifo")); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("NOT TESTED: " + err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if got := paths(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("got %q", got)
	}
	scanned, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil || !slices.Equal(scanned.SkippedPaths(), []string{"fifo", "socket"}) {
		t.Errorf("skipped %q, %v", scanned.SkippedPaths(), err)
	}
}

func TestScanNamesABadName(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"d/ok": ""})
	if err := os.WriteFile(filepath.Join(dir, "d", "caf\xe9"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err == nil || !strings.Contains(err.Error(), `"d/caf\xe9": the name is not UTF-8`) {
		t.Errorf("got %v", err)
	}
}

func TestScanNamesABadLink(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"d/ok": "", "d/link": "->caf\xe9"})
	_, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), `d/link: the link's text "caf\xe9" is not UTF-8`) {
		t.Errorf("got %v", err)
	}
}

func TestScanDoesNotLeaveTheContext(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"out": "->/etc", "loop": "->loop", "up": "->.."})
	if got := paths(t, dir); !slices.Equal(got, []string{"loop", "out", "up"}) {
		t.Errorf("got %q", got)
	}
}

// Cancel has 5 seconds, and one file may take longer.
func TestScanEndsWithItsContextInTheMiddleOfAFile(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"big": ""})
	if err := os.Truncate(filepath.Join(dir, "big"), 1<<40); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	why := errors.New("the user went away")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, why)
	defer cancel()
	if _, err := Scan(ctx, dir, Scope{}, Options{}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// openFolder leads out of the context through no link, also if a folder on the way was replaced.
func TestAFolderIsOpenedInsideTheContext(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"d/e/f": "", "out": "->/etc", "up": "->..", "d/file": ""})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	base, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	for name, want := range map[string]bool{
		".": true, "d": true, "d/e": true, "d/file": false, "out": false, "out/ssl": false, "up": false, "..": false,
		"d/../..": false,
	} {
		opened, err := openFolder(root, base, name)
		if (err == nil) != want {
			t.Errorf("%s: opened is %v, want %v: %v", name, !want, want, err)
		}
		_ = opened.Close()
	}
}
