package provider

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// daemonFaults returns the faults of package daemon by name. It reads them from the source, so that it misses none.
func daemonFaults(t *testing.T) map[string]daemon.Fault {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), "../buildkit/daemon/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]daemon.Fault{}
	ast.Inspect(source, func(node ast.Node) bool {
		if group, ok := node.(*ast.GenDecl); ok && group.Tok == token.CONST {
			for value, spec := range group.Specs {
				faults[spec.(*ast.ValueSpec).Names[0].Name] = daemon.Fault(value)
			}
		}
		return true
	})
	if len(faults) < 25 || faults["Unexplained"] != daemon.Unexplained || faults["Hung"] != daemon.Hung {
		t.Fatalf("the faults were read as %v", faults)
	}
	delete(faults, "Unexplained")
	return faults
}

func TestEachFaultOfTheEmbeddedDaemonHasARemedy(t *testing.T) {
	t.Parallel()
	for name, fault := range daemonFaults(t) {
		if embeddedRemedies[fault] == "" {
			t.Errorf("%s has no remedy", name)
		}
	}
}

// A remedy quotes the facts of a fault, so that each is one word of the command.
func TestRemediesOfTheEmbeddedDaemon(t *testing.T) {
	t.Parallel()
	cause := errors.New("why")
	unusable := func(fault daemon.Fault) error {
		return fmt.Errorf("the folder: %w", &daemon.Error{Fault: fault, Path: "/a;id", Cause: cause})
	}
	for want, err := range map[string]error{
		"the folder: why. Run chmod go-w '/a;id', or chmod +t '/a;id' if others": unusable(daemon.ParentShared),
		"Remove the folder (sudo rm -rf '/a;id'), for another user may have":     unusable(daemon.FolderPlanted),
		fmt.Sprintf("to a folder of user %d", os.Geteuid()):                      unusable(daemon.FolderOwner),
		"why. Run chmod 755 '/a b'": &daemon.Error{
			Fault: daemon.ProgramMode, Path: "/a b", Cause: cause,
		},
		"why. End them, or run kill -9 7, and try again": &daemon.Error{Fault: daemon.Hung, Process: 7, Cause: cause},
		"did not start: why\nx.log ends with:\ny\nRead buildkitd.log and keeper.log in /d": fmt.Errorf(
			"did not start: %w\nx.log ends with:\ny", &daemon.Error{Fault: daemon.NotReady, Path: "/d", Cause: cause},
		),
		"why": cause,
	} {
		got := explainEmbedded(err)
		if !errors.Is(got, cause) || !strings.Contains(got.Error(), want) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// Each thing that the machine lacks has its remedy on its line, or shares that of the next. The last line names another
// daemon.
func TestRemediesOfAnUnfitMachine(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("%w", &daemon.UnfitError{Reasons: []error{
		&daemon.Error{Fault: daemon.NoSubordinates, User: "a b", Cause: errors.New("too few users for user a b")},
		&daemon.Error{Fault: daemon.NoSubordinates, User: "a b", Cause: errors.New("too few groups for user a b")},
		errors.New("the mount table is gone"),
		&daemon.Error{Fault: daemon.NamespaceAppArmor, Path: "kernel.x", Program: "/a b",
			Cause: errors.New("AppArmor")},
	}})
	want := "the embedded BuildKit daemon cannot run here:\n" +
		"- too few users for user a b\n" +
		"- too few groups for user a b. Run sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " +
		"'a b', with a range that no other user has\n" +
		"- the mount table is gone\n" +
		"- AppArmor. Give '/a b' a profile in /etc/apparmor.d that has userns, or run sudo sysctl -w kernel.x=0\n" +
		otherBuilder()
	if got := explainEmbedded(err).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
