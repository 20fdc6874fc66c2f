package foreign

import (
	"fmt"
	"strings"
)

// QuoteFirst quotes the first names of a list, and says how many more there are.
func QuoteFirst(names []string) string {
	const shown = 5
	text := fmt.Sprintf("%q", names[:min(shown, len(names))])
	text = strings.Trim(text, "[]")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
