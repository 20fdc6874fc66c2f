package folder

import (
	"bytes"
	"slices"
)

// shortestSecret is the length from which on a secret is searched for. Shorter texts are in most files by chance.
const shortestSecret = 8

// search is a writer that looks for secrets in what is written to it.
type search struct {
	secrets [][]byte
	longest int
	tail    []byte // the end of what was written before
	found   bool
}

// newSearch returns a search for the secrets that are long enough, without white space around them.
func newSearch(secrets [][]byte) *search {
	s := &search{}
	for _, secret := range secrets {
		secret = bytes.TrimSpace(secret)
		isGiven := func(other []byte) bool { return bytes.Equal(secret, other) }
		if len(secret) >= shortestSecret && !slices.ContainsFunc(s.secrets, isGiven) {
			s.secrets, s.longest = append(s.secrets, secret), max(s.longest, len(secret))
		}
	}
	return s
}

// Write looks for the secrets. It returns no error.
func (s *search) Write(data []byte) (int, error) {
	if s.found || len(s.secrets) == 0 {
		return len(data), nil
	}
	window := append(s.tail, data...)
	for _, secret := range s.secrets {
		s.found = s.found || bytes.Contains(window, secret)
	}
	s.tail = bytes.Clone(window[max(0, len(window)-s.longest+1):])
	return len(data), nil
}
