package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/mod/semver"
)

// safeVersion is the version of BuildKit that closed CVE-2026-15788, -15789, -15791, -15792 and -15793. With older ones
// a build can reach files of the daemon's machine or of this one.
const safeVersion = "v0.31.2"

// versionLimit bounds how long a daemon may take to tell its version.
const versionLimit = 10 * time.Second

// warnOfVersion warns once in a run of a daemon that is not ours and is older than safeVersion. It warns of nothing if
// the daemon does not tell its version.
func (b *imageBuild) warnOfVersion(ctx context.Context, daemon *client.Client) {
	on := b.builder
	if on.isEmbedded() || on.container != nil || !b.settings.isFirst("the version of "+on.endpoint) {
		return
	}
	version := on.askVersion(ctx, daemon)
	if !isOlderRelease(version, safeVersion) {
		return
	}
	b.progress.log.warnf("%s", oldVersionText(on.endpoint, version))
}

// askVersion returns the version of a builder that is connected, or "". It asks the daemon only if that has not told it
// before.
func (b builder) askVersion(ctx context.Context, daemon *client.Client) string {
	if b.version != nil {
		return b.version()
	}
	ctx, stop := withinLimit(ctx, versionLimit)
	defer stop()
	info, err := daemon.Info(ctx)
	if err != nil {
		return ""
	}
	return info.BuildkitVersion.Version
}

// isOlderRelease tells whether a version is known and older than another one. A daemon that was built without a version
// says v0.0.0.
func isOlderRelease(version, floor string) bool {
	version = semver.Canonical(version) // "" if it is not valid
	return version != "" && version != "v0.0.0" && semver.Compare(version, floor) < 0
}

// oldVersionText is the warning of a daemon with known security defects.
func oldVersionText(endpoint, version string) string {
	return fmt.Sprintf("the BuildKit daemon at %s is %s, and versions before %s have known security defects "+
		"(CVE-2026-15788 and others). Update it", endpoint, version, safeVersion)
}
