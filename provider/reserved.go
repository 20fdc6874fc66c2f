package provider

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// reservedPaths returns the paths that no build context may contain. These are the folders of this provider, which
// change with each build, the state of a file backend, which changes with each run, and Pulumi's plugins and
// credentials.
func reservedPaths(ctx context.Context) []source.Reserved {
	var all []source.Reserved
	add := func(path string, own bool) {
		if abs, err := filepath.Abs(path); path != "" && err == nil {
			all = append(all, source.Reserved{Path: abs, Own: own})
		}
	}
	if cache, err := private.CacheFolder(); err == nil {
		add(cache, true)
	}
	add(daemon.Folder(), true)
	add(stateFolder(ctx), false)
	add(pulumiHome(), false)
	add(credentialsFile(), false) // needed if the home itself is the context
	return all
}

// explainContext adds a remedy to an error about the files of a build context.
func explainContext(err error) error {
	if own, ok := errors.AsType[*source.ReservedError](err); ok {
		return fmt.Errorf("%w. Its files change with each build: build another folder, or set XDG_CACHE_HOME or "+
			"PULUMI_BUILDKIT_DAEMON_DIR to a folder elsewhere", own)
	}
	if changed, ok := errors.AsType[*inputs.ChangedFileError](err); ok {
		return fmt.Errorf("%w. %s", err, changedFileRemedy(changed))
	}
	return err
}

// changedFileRemedy returns the remedy for a file that changed during the build.
//
// Nobody knows what wrote the file. An editor has finished by now, but a program may write a log or a database again.
func changedFileRemedy(changed *inputs.ChangedFileError) string {
	line := fmt.Sprintf("the line %s to %s", changed.Pattern, changed.IgnoreFile)
	switch changed.Change {
	case source.Unreadable:
		return "Let this user read it, or add " + line
	case source.Vanished:
		return "If a program makes and removes it again and again, add " + line + "; otherwise run pulumi up again"
	case source.Grew:
		return "If a program keeps writing to it, as to a log, add " + line + "; otherwise run pulumi up again"
	}
	return "If a program keeps writing it, add " + line + "; otherwise run pulumi up again"
}
