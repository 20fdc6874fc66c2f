package daemon

import (
	"io"
	"strings"
)

// tailSize is how much of a log's end an error shows, in bytes: about 20 lines.
const tailSize = 4 << 10

// tail returns the end of the text file name, without a line that is cut off; "" when it cannot be read.
func (p place) tail(name string) string {
	f, err := p.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-tailSize)
	text, err := io.ReadAll(io.NewSectionReader(f, from, tailSize))
	if err != nil {
		return ""
	}
	if from > 0 {
		_, cut, _ := strings.Cut(string(text), "\n")
		return strings.TrimSpace(cut)
	}
	return strings.TrimSpace(string(text))
}
