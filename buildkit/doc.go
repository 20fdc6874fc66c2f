// Package buildkit drives one build: it has a BuildKit daemon solve what was recorded for one or several platforms, and
// pushes the result by digest. Names and tags are none of its business.
//
//	inputs.Plan what to build, and inputs.Load, which records and hashes what the build reads (inputs/, source/)
//	Access      what the solve may use beside: credentials, secrets, caches, exports (session.go, secrets.go, cache.go, exports.go)
//	Dial        a connection to a daemon that answers                               (dial.go)
//	Solve       the plan on that daemon, with the session that serves it            (solve.go, session.go)
//	Event       what a person is shown while it runs                                (events.go)
//	StepError   what a person is shown when a step fails                            (errors.go)
//
// The embedded daemon is the package daemon below, Docker Engines are the package engine.
package buildkit
