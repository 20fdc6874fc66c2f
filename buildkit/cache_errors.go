package buildkit

import (
	"fmt"
	"regexp"
)

// CacheError is a build cache that cannot be read or written. Its text is that of its cause.
type CacheError struct {
	Err  error
	Text string // what the daemon says of a cache that it could not write, most of it the registry's words

	missing bool // the cache to read is not there
}

// Error returns the text of the cause.
func (e *CacheError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *CacheError) Unwrap() error { return e.Err }

// CacheFileError is a file in the folder of a cache that is a link, or of another kind than a cache has there.
type CacheFileError struct{ Path string }

// Error names the file.
func (e *CacheFileError) Error() string {
	return e.Path + ": it is a link or another kind of file than a cache has"
}

// RepeatedStepError is a step that a daemon began to run again, because it does not have its result any more. Only the
// build runs steps, so its caches are not written.
type RepeatedStepError struct{ Step Step }

// Error names the step.
func (e *RepeatedStepError) Error() string {
	step := e.Step.Command
	if e.Step.Position != "" {
		step = "[" + e.Step.Position + "] " + step
	}
	return "the builder does not have the result of the step " + step + " any more"
}

// CacheSetupError is a cache that the daemon cannot begin to write: it does not know the type, or the options lead
// nowhere. The daemon then writes no other cache either, even if the cache has ignore-error.
type CacheSetupError struct {
	Type string // of Cache
	Text string // what the daemon says of it
}

// Error names the type of the cache and what the daemon says.
func (e *CacheSetupError) Error() string {
	return fmt.Sprintf("the builder cannot write a cache of type %s: %s", e.Type, e.Text)
}

// cacheSetupPatterns match the daemon's text about such a cache (control/control.go).
var cacheSetupPatterns = []*regexp.Regexp{
	regexp.MustCompile(`(?s)^failed to configure (\S+) cache exporter: (.*)$`),
	regexp.MustCompile(`^unknown cache exporter: "([^"]+)"()$`),
}

// cacheSetupError returns the cache that the daemon's text is about. ok is false for any other text.
func (s *stepTracker) cacheSetupError(text string) (failure *CacheSetupError, ok bool) {
	for _, pattern := range cacheSetupPatterns {
		found := pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		cause := "it does not know this type"
		if found[2] != "" {
			cause = s.redact.hide(readableText(found[2]))
		}
		return &CacheSetupError{Type: found[1], Text: cause}, true
	}
	return nil, false
}
