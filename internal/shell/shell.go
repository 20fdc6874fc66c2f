// Package shell quotes text of others for commands that an error shows and people copy.
package shell

import (
	"regexp"
	"strings"
)

// plain matches words that mean themselves to every shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// Quote returns a text as one word of a POSIX shell, whatever is in it: in single quotes, unless it means itself
// without.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
