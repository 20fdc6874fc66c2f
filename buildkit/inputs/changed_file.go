package inputs

import "github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"

// ChangedFileError is about a file of a build context that somebody wrote while the build ran.
type ChangedFileError struct {
	*source.ChangedError
	// IgnoreFile is the path of the ignore file that is in force for the context; it need not exist.
	IgnoreFile string
	// Pattern is a line of it that leaves the file out.
	Pattern string
}

func (e *ChangedFileError) Unwrap() error { return e.ChangedError }
