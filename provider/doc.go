// Package provider is the Pulumi face of pulumi-buildkit and the only package that knows Pulumi.
//
// It has two halves. The property half (image.go, check.go, diff.go, preview.go, read.go, delete.go) answers the engine on
// property maps, where unknown values, secrets and old inputs are whole. The typed half (args.go, plan.go, apply.go) works
// on plain data and never meets an unknown value. docs/architecture.md follows one Image through all of it.
package provider
