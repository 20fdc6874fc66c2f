// Package provider implements the Pulumi provider. No other package knows Pulumi.
//
// It has two halves. The property half works on property maps, which keep unknown values, secrets and old inputs:
// image.go, check.go, diff.go, preview.go, read.go, delete.go. The typed half works on plain Go structs without unknown
// values: args.go, plan.go, apply.go. docs/architecture.md follows one Image through all of them.
package provider
