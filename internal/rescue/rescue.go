// Package rescue keeps a panic from ending the process.
//
// A panic in a goroutine would end every operation of the plugin, whatever its caller defers. With this package it ends
// only the operation that the goroutine works for.
package rescue

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// PanicError is a panic that became an error.
type PanicError struct {
	Value    any    // what was passed to panic
	Function string // function and line of this module that ran when the panic began
	Stack    []byte // of the goroutine, for a debug log; it may hold values that no person should see
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("met a bug of the provider: %v at %s", e.Value, e.Function)
}

// Call runs f and returns its error, or a *PanicError when it panics.
func Call(f func() error) (err error) {
	defer Recover(func(caught *PanicError) { err = caught })
	return f()
}

// Go runs f in a goroutine and passes a panic of it to fail, which runs in that goroutine.
func Go(fail func(error), f func()) {
	go func() {
		defer Recover(func(caught *PanicError) { fail(caught) })
		f()
	}()
}

// GoGroup does what Go does, in a goroutine that group waits for.
func GoGroup(group *sync.WaitGroup, fail func(error), f func()) {
	group.Go(func() { //nolint:forbidigo // this is what others are to call
		defer Recover(func(caught *PanicError) { fail(caught) })
		f()
	})
}

// Recover passes a panic in progress to caught. It has to be deferred itself, as recover has.
func Recover(caught func(*PanicError)) {
	if value := recover(); value != nil {
		caught(&PanicError{Value: value, Function: panickingFunction(), Stack: debug.Stack()})
	}
}

// module begins the name of each function of this project.
const module = "github.com/pulumi-buildkit/pulumi-buildkit/"

// panickingFunction returns the innermost function of this module that was running when the panic began, with its line.
func panickingFunction() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicked := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicked = true
		case panicked && strings.HasPrefix(frame.Function, module):
			return fmt.Sprintf("%s:%d", strings.TrimPrefix(frame.Function, module), frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
