package buildkit

import "github.com/moby/buildkit/session"

// PolicyOf is what a daemon asks under a guard, whichever frontend runs.
func PolicyOf(guard *Guard) session.Attachable {
	return (&sourcePolicy{guard: guard, logins: newLogins(&redaction{}), stop: func(err error) error { return err }}).provider()
}
