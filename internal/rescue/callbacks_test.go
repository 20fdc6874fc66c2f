package rescue_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

func TestPanicsOfCallbacksBecomeErrors(t *testing.T) {
	t.Parallel()
	broken := func() error { panic("as asked") }
	run := map[string]func() error{
		"Value": func() error {
			_, err := rescue.Value(func() (int, error) { return 1, broken() })
			return err
		},
		"GoErrGroup": func() error {
			var group errgroup.Group
			rescue.GoErrGroup(&group, broken)
			return group.Wait()
		},
		"AfterFunc": func() error {
			failed := make(chan error, 1)
			rescue.AfterFunc(time.Millisecond, func(err error) { failed <- err }, func() { _ = broken() })
			return <-failed
		},
	}
	for name, run := range run {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, ok := errors.AsType[*rescue.PanicError](run()); !ok {
				t.Fatal("no PanicError")
			}
		})
	}
}
