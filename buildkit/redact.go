package buildkit

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// shortestSecret is the length in bytes of the shortest value that is hidden. Output without any shorter value would
// not be readable.
const shortestSecret = 4

// shortestPart is the length in bytes of the shortest part of a secret that is hidden. A part is a line of the secret,
// or the innerDigits of it in a longer base64 text.
const shortestPart = 8

// redaction takes secrets out of the texts of one solve. It finds a value as it is, its lines, and its base64 and
// percent-encoded forms. It does not find a secret that a program prints in another form. It is safe for concurrent
// use.
type redaction struct {
	mu    sync.RWMutex
	forms map[byte][]string // by first byte, the longest first
}

// learn makes a value a secret, without the white space around it. Programs print a secret without the line break of
// its file.
func (r *redaction) learn(value string) {
	value = strings.TrimSpace(value)
	if len(value) < shortestSecret {
		return
	}
	forms := encodings(value)
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= shortestPart {
			forms = append(forms, line)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forms == nil {
		r.forms = map[byte][]string{}
	}
	for _, form := range forms {
		if known := r.forms[form[0]]; !slices.Contains(known, form) {
			known = append(known, form)
			slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
			r.forms[form[0]] = known
		}
	}
}

// encodings returns a value and its encodings.
func encodings(value string) []string {
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), (&url.URL{Path: value}).EscapedPath()}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		forms = append(forms, encoding.EncodeToString([]byte(value)))
		for before := range 3 {
			if part := innerDigits(encoding, value, before); len(part) >= shortestPart {
				forms = append(forms, part)
			}
		}
	}
	return forms
}

// innerDigits returns the part of a base64 text that depends on the value only. The value begins after as many bytes,
// modulo 3, of the encoded data. A digit has 6 bits, so the first and the last may depend on a neighbor.
func innerDigits(encoding *base64.Encoding, value string, before int) string {
	digits := encoding.WithPadding(base64.NoPadding).EncodeToString([]byte("\x00\x00"[:before] + value))
	return digits[(before*8+5)/6 : (before+len(value))*8/6]
}

// hide returns s without secrets, and without the logins and tokens of the URLs in it.
func (r *redaction) hide(s string) string {
	shown, _ := r.scan([]byte(s), true)
	return login.Hide(string(shown))
}

// scan takes secrets out of data. It holds back the possible beginning of a secret, unless all says that no more data
// follows.
func (r *redaction) scan(data []byte, all bool) (shown, held []byte) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.forms) == 0 {
		return data, nil
	}
	for len(data) > 0 {
		match, begun := r.matchLength(data)
		switch {
		case begun && !all:
			return shown, data
		case match > 0:
			shown, data = append(shown, login.Redacted...), data[match:]
		default:
			shown, data = append(shown, data[0]), data[1:]
		}
	}
	return shown, nil
}

// matchLength returns the length of the longest secret that data begins with; 0 for none. begun says that data may be
// the beginning of a longer secret.
func (r *redaction) matchLength(data []byte) (match int, begun bool) {
	for _, form := range r.forms[data[0]] {
		switch {
		case len(form) > len(data):
			begun = begun || form[:len(data)] == string(data)
		case string(data[:len(form)]) == form:
			return len(form), begun
		}
	}
	return 0, begun
}

// redactedStream takes secrets out of a stream that comes in pieces.
type redactedStream struct {
	redact *redaction
	held   []byte
}

// write takes a piece of the stream and returns the text that can be shown now.
func (s *redactedStream) write(data []byte) []byte {
	var shown []byte
	shown, s.held = s.redact.scan(append(s.held, data...), false)
	return shown
}

// end returns the text that was held back. It hides a long beginning of a secret too, because a daemon may have cut off
// the output there.
func (s *redactedStream) end() []byte {
	held := s.held
	s.held = nil
	if len(held) >= shortestPart {
		return []byte(login.Redacted)
	}
	shown, _ := s.redact.scan(held, true)
	return shown
}
