package daemon

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// A folder's name is one word of the command that its remedy shows.
func TestFolderRemedyQuotesThePath(t *testing.T) {
	t.Parallel()
	got := folderRemedy(&private.UnsafeError{Path: "/a;id", Shared: true})
	if !strings.Contains(got, "chmod go-w '/a;id', or chmod +t '/a;id' if") {
		t.Error(got)
	}
}
