package buildkit

import "github.com/moby/buildkit/session"

// PolicyOf returns the policy that a daemon asks under a guard, whichever frontend runs.
func PolicyOf(guard *Guard) session.Attachable {
	redact := &redaction{}
	policy := &sourcePolicy{
		guard: guard, logins: newLogins(redact), stop: func(err error) error { return err }, log: newLog(nil, redact),
	}
	return policy.provider()
}
