package provider

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// registryFaults returns the faults of package registry by name. It reads them from the source, so that it misses none.
func registryFaults(t *testing.T) map[string]fault.Kind {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), "../registry/fault/kind.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]fault.Kind{}
	for _, declaration := range source.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for i, spec := range group.Specs {
			faults[spec.(*ast.ValueSpec).Names[0].Name] = fault.Kind(firstFault(group) + i)
		}
	}
	return faults
}

// firstFault returns the value of the first constant of a group: N of "iota + N", 0 of "iota".
func firstFault(group *ast.GenDecl) int {
	sum, ok := group.Specs[0].(*ast.ValueSpec).Values[0].(*ast.BinaryExpr)
	if !ok {
		return 0
	}
	first, _ := strconv.Atoi(sum.Y.(*ast.BasicLit).Value)
	return first
}

// TestEachFaultHasARemedy checks that every fault of package registry has a remedy.
func TestEachFaultHasARemedy(t *testing.T) {
	t.Parallel()
	faults := registryFaults(t)
	if len(faults) < 70 {
		t.Fatalf("only %d faults were found", len(faults))
	}
	delete(faults, "Unexplained")
	for name, kind := range faults {
		err := fmt.Errorf("tagging y: %w", factsOf(kind))
		if explainRegistry(err).Error() == err.Error() {
			t.Errorf("%s has no remedy", name)
		}
	}
}

// TestEachRefusalHasARemedy checks that every refused TLS connection to a builder has a remedy.
func TestEachRefusalHasARemedy(t *testing.T) {
	t.Parallel()
	for refusal := endpoint.OtherRefusal; refusal <= endpoint.BrokenDaemon; refusal++ {
		err := &endpoint.TLSError{Endpoint: "tcp://builder:1", Refusal: refusal, Cause: errors.New("no")}
		if explained := explainBuilder(err).Error(); !strings.HasPrefix(explained, err.Error()+"; ") {
			t.Errorf("refusal %d: %s", refusal, explained)
		}
	}
}

// TestEachErrorOfAnEngineHasARemedy checks that every error about our BuildKit in a Docker Engine has a remedy, before
// and during a build.
func TestEachErrorOfAnEngineHasARemedy(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&engine.BuilderError{Host: "unix:///a", Cause: errors.New("no")},
		&engine.TunnelError{Address: "127.0.0.1:1", Host: "unix:///a", Cause: errors.New("no")},
		&engine.ClaimedError{Address: "127.0.0.1:1", Host: "unix:///a"},
		&engine.OccupiedError{Address: "127.0.0.1:1", Host: "unix:///a"},
	} {
		for _, explained := range []string{explainBuilder(err).Error(), explainBuild(err).Error()} {
			if !strings.HasPrefix(explained, err.Error()+"; ") {
				t.Errorf("%T: %s", err, explained)
			}
		}
	}
}
