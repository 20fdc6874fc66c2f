package buildkit

// CacheError is a build cache that cannot be read or written. Its text is that of its cause.
type CacheError struct {
	Export bool // the cache is written, else it is read
	Err    error
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
