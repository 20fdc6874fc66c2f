// Package fault tells what went wrong with a registry. It is the ground floor of package registry and the packages
// below it: all of them return these errors, and none of them writes a remedy.
//
//	Error           a failure with its kind and its facts            error.go
//	Kind            what a remedy depends on                         kind.go
//	ErrNotFound...  what callers ask for with errors.Is              sentinels.go
//	Refusal, Class  what the answer of a registry means              refusal.go, class.go
//	Retry, Backoff  repeat what is likely to succeed later           retry.go, backoff.go
//	IsTransient     whether an error is likely to pass               transient.go
//	CanonicalHost   the one name of a registry's host                host.go
//	OneLine         text of others, as an error may show it          line.go
package fault
