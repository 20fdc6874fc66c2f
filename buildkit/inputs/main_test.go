package inputs

import (
	"os"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
)

func TestMain(m *testing.M) {
	if handled, code := dockerfile.RunChild(os.Args[1:]); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
