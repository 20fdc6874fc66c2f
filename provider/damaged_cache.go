package provider

import (
	"errors"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// leaveDamaged reports the damage that a build met in the cache of the embedded daemon, and releases that daemon. It
// returns false for any other error. The builder that is found next has a sound cache.
//
// The platforms of an image share a lease, and each may meet the damage. The first one reports it for all of them.
func leaveDamaged(on node, err error) bool {
	if !on.isEmbedded() || faultOf(err) != buildkit.DamagedCache || on.reportDamage() != nil {
		return false
	}
	on.release()
	return true
}

// faultOf returns the fault of a step or of the daemon.
func faultOf(err error) buildkit.Fault {
	if step, ok := errors.AsType[*buildkit.StepError](err); ok {
		return step.Fault
	}
	if other, ok := errors.AsType[*buildkit.DaemonError](err); ok {
		return other.Fault
	}
	return buildkit.Unexplained
}
