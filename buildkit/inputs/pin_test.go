package inputs

import (
	"strings"
	"testing"
)

func TestPinLeavesAloneWhatIsNoBranch(t *testing.T) {
	t.Parallel()
	for _, location := range []string{
		"https://example.com/app.tar.gz",
		"https://example.com/a.git#0123456789abcdef0123456789abcdef01234567:sub",
		"docker-image://example.com/base:1",
	} {
		if got, err := pin(t.Context(), location); got != location || err != nil {
			t.Errorf("%s became %s, %v", location, got, err)
		}
	}
}

func TestPinNamesWhatItCannotFind(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"http://127.0.0.1:1/a.git#main":     "http://127.0.0.1:1/a.git#main: the commit is not known: git ls-remote",
		"http://127.0.0.1:1/a.git?ref=main": "the branch or tag stands in a query",
	} {
		if _, err := pin(t.Context(), location); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", location, err)
		}
	}
}
