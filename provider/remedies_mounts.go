package provider

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shipped"
)

// mountWarning says why a cache mount was not restored or saved, and what to do. The repository is that of all mounts.
func mountWarning(r buildkit.MountResult, repository string) string {
	if errors.As(r.Err, new(*buildkit.RunningBaseError)) {
		return fmt.Sprintf("cacheMounts: %v, so it does not travel. Leave out its from, or name the others in ids",
			r.Err)
	}
	what, place, after := "restored", "from", "The build runs without it"
	if r.Saving {
		what, place, after = "saved", "to", "The image is complete without it, and the next build saves it"
	}
	name := cmp.Or(mountName(r), "the content of cache mounts")
	text := fmt.Sprintf("cacheMounts: %s was not %s %s %s: %v",
		name, what, place, cmp.Or(r.Ref, repository), explainRegistry(r.Err))
	if remedy := mountRemedy(r); remedy != "" {
		text += "; " + remedy
	}
	return text + ". " + after
}

// unknownMounts returns a warning for each of the ids that is not among the mounts of an image.
func unknownMounts(ids, found []string) (warnings []string) {
	known := "no step mounts any"
	if len(found) > 0 {
		known = "there are " + strings.Join(slices.Compact(slices.Sorted(slices.Values(found))), ", ")
	}
	for _, id := range ids {
		if !slices.Contains(found, id) {
			warnings = append(warnings, fmt.Sprintf("cacheMounts.ids: no step mounts a cache with the id %q: %s. "+
				"Correct it, or leave it out", id, known))
		}
	}
	return warnings
}

// mountRemedy returns the remedy for a mount that was not restored or saved. It returns "" if the error has one, or if
// there is nothing to do.
func mountRemedy(r buildkit.MountResult) string {
	switch {
	case errors.As(r.Err, new(*buildkit.ForeignMountError)):
		return "remove the tag, or give the mounts a repository of their own"
	case errors.As(r.Err, new(*buildkit.LargeMountError)):
		return "raise maxSize"
	case errors.As(r.Err, new(*buildkit.SlowMountsError)):
		return "look at the registry, or at another build that holds the mount"
	case isForeignArchitecture(r.Err):
		return "there is none for this architecture: take a builder on amd64 or arm64, or leave out cacheMounts"
	case errors.As(r.Err, new(*shipped.MissingError)):
		return "install the plugin again (pulumi plugin install), with all files of its archive"
	case errors.As(explainRegistry(r.Err), new(*remediedError)):
		return ""
	case r.Ref != "" && !r.Saving:
		return "remove the tag if it stays so: a later update saves the mount again"
	}
	return ""
}

// isForeignArchitecture reports whether a builder has an architecture for which no program is shipped.
func isForeignArchitecture(err error) bool {
	missing, ok := errors.AsType[*shipped.MissingError](err)
	return ok && missing.Arch != "amd64" && missing.Arch != "arm64"
}

// mountName returns the id of a mount, for people.
func mountName(r buildkit.MountResult) string { return foreign.Line(r.Name) }

// mountLine says that a mount was restored or saved, with its time and bytes.
func mountLine(r buildkit.MountResult) string {
	verb := "restored"
	if r.Saving {
		verb = "saved"
	}
	return fmt.Sprintf("%s the cache mount %s: %s in %s", verb, mountName(r), mountSizeText(r.Files, r.Bytes),
		shortDuration(r.Took))
}

// mountSizeText returns the number of files and their size.
func mountSizeText(files int, bytes int64) string {
	noun := "files"
	if files == 1 {
		noun = "file"
	}
	return fmt.Sprintf("%d %s, %s", files, noun, units.HumanSize(float64(bytes)))
}

// leftOutText says how much of a mount stayed behind; "" if nothing did.
func leftOutText(r buildkit.MountResult) string {
	if r.LeftOut == 0 || !r.Done {
		return ""
	}
	return fmt.Sprintf("the oldest of the cache mount %s stay behind, because of maxSize: %s", mountName(r),
		mountSizeText(r.LeftOut, r.LeftOutBytes))
}

// secretInMount warns of files of a mount that hold a secret of the build.
func secretInMount(r buildkit.MountResult) string {
	return fmt.Sprintf("cacheMounts: a step has written a secret into the cache mount %s: %s. These files are not "+
		"saved; keep secrets out of cache mounts, because other builds on the builder can read them",
		mountName(r), foreign.QuoteFirst(r.WithSecret))
}
