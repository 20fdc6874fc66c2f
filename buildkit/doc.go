// Package buildkit runs one build. A BuildKit daemon solves a plan for one or several platforms and pushes the image by
// digest. Package registry names and tags the image.
//
//	inputs.Plan  is what to build; inputs.Load records and hashes what the build reads (inputs/, source/)
//	Access       is what the solve may use besides: credentials, secrets, caches, exports (session.go)
//	Solve        solves the plan on that daemon and serves the session (solve.go, session.go)
//	Event        is what a person sees while the build runs (events.go)
//	StepError    is what a person sees if a step fails (errors.go)
//	Guard        limits what a Dockerfile may reach on the plugin's own builder (reach.go)
//
// Errors hold facts. They know no input of a resource, and they do not say what to do: package provider adds that.
//
// Package endpoint connects to a daemon, package daemon starts the embedded one, package engine builds in Docker
// Engines and loads images into them.
package buildkit
