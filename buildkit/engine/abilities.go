package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/moby/client"
	"golang.org/x/mod/semver"
	"google.golang.org/grpc/codes"
)

// Abilities says what the BuildKit of an engine can do.
type Abilities struct {
	Version string // of its BuildKit, such as v0.33.1; "" if it does not say
	// Stores tells whether the engine keeps images in containerd. The classic store pushes nothing by digest, holds no
	// image of several platforms and exports no cache.
	Stores bool
	OS     string // "linux" or "windows"
	// Rootless tells whether the engine runs in a user namespace. Steps have no cgroups there, whichever BuildKit
	// builds.
	Rootless bool
	Cores    int // of its machine; 0 if it does not say
}

// snapshotterLabel marks a BuildKit worker that works in containerd.
const snapshotterLabel = "org.mobyproject.buildkit.worker.snapshotter"

// Abilities asks the engine what it can do, 20 s at most.
func (e *Engine) Abilities(ctx context.Context) (Abilities, error) {
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	server, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return Abilities{}, &NoEngineError{Address: e.address, Cause: err}
	}
	found := Abilities{OS: server.Os}
	found.Cores, found.Rootless = e.askMachine(ctx)
	conn, err := e.api.DialHijack(ctx, "/grpc", "h2c", nil)
	if err != nil && strings.Contains(err.Error(), "received 404") { // the client of the engine has text only
		return found, nil // Podman, and engines of before BuildKit
	}
	if err != nil {
		return found, &NoEngineError{Address: e.address, Cause: err}
	}
	_ = conn.Close()
	daemon, err := e.BuildKit(ctx)
	if err != nil {
		return found, &NoEngineError{Address: e.address, Cause: err}
	}
	defer func() { _ = daemon.Close() }()
	info, err := daemon.Info(ctx)
	if grpcerrors.Code(err) == codes.Unimplemented {
		return found, nil // of before BuildKit v0.11: it has no version to tell
	}
	if err != nil {
		return found, &NoEngineError{Address: e.address, Cause: err}
	}
	found.Version = info.BuildkitVersion.Version
	workers, err := daemon.ListWorkers(ctx)
	if err != nil {
		return found, &NoEngineError{Address: e.address, Cause: err}
	}
	for _, worker := range workers {
		if _, ok := worker.Labels[snapshotterLabel]; ok {
			found.Stores = true
		}
	}
	return found, nil
}

// HoldsIndexes tells whether the engine can hold an image of several platforms, 20 s at most. Only the containerd image
// store can.
func (e *Engine) HoldsIndexes(ctx context.Context) (bool, error) {
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	system, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return false, &NoEngineError{Address: e.address, Cause: err}
	}
	return slices.Contains(system.Info.DriverStatus, containerdStore), nil
}

// containerdStore is the status of an engine whose images are in containerd.
var containerdStore = [2]string{"driver-type", "io.containerd.snapshotter.v1"}

// Cores returns how many cores the machine of the engine has. It returns 0 if the engine does not say within 20 s.
func (e *Engine) Cores(ctx context.Context) int {
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	cores, _ := e.askMachine(ctx)
	return cores
}

// askMachine returns how many cores the machine of the engine has, and whether the engine runs in a user namespace. It
// returns zeros if the engine does not tell, as behind a proxy that passes on no request of the kind.
func (e *Engine) askMachine(ctx context.Context) (cores int, rootless bool) {
	about, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return 0, false
	}
	return about.Info.NCPU, slices.Contains(about.Info.SecurityOptions, "name=rootless")
}

// IsOlder reports whether the version is unknown or below floor, both such as v0.30.0. A prerelease counts as its
// release.
func IsOlder(version, floor string) bool {
	if !semver.IsValid(version) {
		return true
	}
	return semver.Compare(strings.TrimSuffix(semver.Canonical(version), semver.Prerelease(version)), floor) < 0
}
