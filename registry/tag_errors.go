package registry

import (
	"errors"
	"slices"
)

// TagErrors are the failures of several tags.
type TagErrors struct{ Each []error }

// Error returns one line for each.
func (e *TagErrors) Error() string { return errors.Join(e.Each...).Error() }

// Unwrap returns them all.
func (e *TagErrors) Unwrap() []error { return e.Each }

// joinErrors returns the errors that are not nil: the only one, or a *TagErrors. It returns nil if there is none.
func joinErrors(all []error) error {
	failures := slices.DeleteFunc(slices.Clone(all), func(err error) bool { return err == nil })
	switch len(failures) {
	case 0:
		return nil
	case 1:
		return failures[0]
	}
	return &TagErrors{Each: failures}
}
