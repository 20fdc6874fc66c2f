//go:build linux

// Package attacks attacks the real product: the CLI, the plugin, the embedded daemon and registries. The tests run on
// loopback and in their own network namespaces. Each file is about one kind of attack, and says who the attacker is:
//
//   - the author of the Dockerfile and the build context
//   - the author of a base image or a frontend
//   - the registry, token server, proxy or git server that answers
//   - another user of the same machine
//   - somebody on the network between two machines
//
// docs/security.md links each of its claims to the test here, or in a package, that holds it.
package attacks

import (
	"errors"
	"os"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// shared is what the tests have in common.
var shared stack.Suite

func TestMain(m *testing.M) {
	if err := setUpMachine(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	code := shared.Main(m, "../..")
	if err := errors.Join(classicEngine.End(), ownEngine.End(), bridgedEngine.End()); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}
