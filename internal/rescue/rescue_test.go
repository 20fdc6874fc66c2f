package rescue_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

func TestPanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	run := map[string]func(f func()) error{
		"Call": func(f func()) error { return rescue.Call(func() error { f(); return nil }) },
		"Go": func(f func()) error {
			failed := make(chan error, 1)
			rescue.Go(func(err error) { failed <- err }, f)
			return <-failed
		},
		"GoGroup": func(f func()) (err error) {
			var group sync.WaitGroup
			rescue.GoGroup(&group, func(caught error) { err = caught }, f)
			group.Wait()
			return err
		},
	}
	for name, run := range run {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(func() {
				var m map[string]int
				m["x"] = 1 //nolint:staticcheck // this is the panic
			})
			caught := new(rescue.PanicError)
			if !errors.As(err, &caught) || !strings.Contains(err.Error(), "assignment to entry in nil map") ||
				!strings.HasPrefix(caught.Function, "internal/rescue_test.TestPanicsBecomeErrors") {
				t.Fatalf("error %v", err)
			}
		})
	}
}

func TestCallReturnsTheErrorOfItsFunction(t *testing.T) {
	t.Parallel()
	want := errors.New("no")
	if err := rescue.Call(func() error { return want }); !errors.Is(err, want) {
		t.Fatal(err)
	}
}
