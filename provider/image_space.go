package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// A disk is scarce if less than a fifth of it is free, and either less than a twentieth or less than 1 GiB.
const (
	scarceShare      = 5
	largeScarceShare = 20
	scarceSize       = 1 << 30
)

// buildWithSpace calls buildOnce. If the disk of the embedded daemon is full, it makes the daemon remove the
// cache that no build uses, and calls buildOnce once more: no tag has moved yet.
func (b *imageBuild) buildWithSpace(ctx context.Context) error {
	err := b.buildOnce(ctx)
	if err == nil || ctx.Err() != nil || b.spaceFreed || !b.builder.isEmbedded() {
		return err
	}
	disk := b.builder.embedded.Disk()
	isFull := isDiskFull(err) && mayBeFull(disk) || wroteToFullDisk(err) && isScarce(disk)
	if !isFull && !exceedsQuota(err) {
		return err
	}
	b.spaceFreed = true
	b.progress.log.warnf("%s has no space left: removing the build cache that no build uses, then building once more",
		disk.Path)
	freed, errFree := b.builder.embedded.FreeSpace(ctx)
	if errFree != nil {
		return withLines(err, errFree.Error())
	}
	if err = b.buildOnce(ctx); isDiskFull(err) || wroteToFullDisk(err) {
		err = withLines(err, fmt.Sprintf("that was the second try, after %s of build cache had been removed",
			units.BytesSize(float64(freed))))
	}
	return err
}

// mayBeFull tells whether a disk may be the one that the daemon found full: less than a fifth of its space or of its
// inodes is free. What did not fit is removed by now. Of another disk than the daemon's nothing can be freed.
func mayBeFull(disk daemon.Disk) bool {
	return disk.Known && (disk.Free < disk.Size/scarceShare || disk.FreeFiles < disk.Files/scarceShare)
}

// isScarce tells whether little of a disk is free. A step that found its disk full need not mean this one: it may have
// written to a tmpfs.
func isScarce(disk daemon.Disk) bool {
	space := min(disk.Size/scarceShare, max(disk.Size/largeScarceShare, scarceSize))
	return disk.Known && (disk.Free < space || disk.FreeFiles < disk.Files/largeScarceShare)
}

// exceedsQuota tells whether the daemon said that its disk quota is used up. The disk itself may have space.
func exceedsQuota(err error) bool {
	return isDiskFull(err) && strings.Contains(err.Error(), "disk quota exceeded")
}
