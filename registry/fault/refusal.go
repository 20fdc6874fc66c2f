package fault

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Refusal is an error answer of a registry, from an error of the HTTP client or from the words of a daemon. A daemon
// often keeps the method and the status to itself.
type Refusal struct {
	Method string
	Status int
	Codes  []transport.ErrorCode
	Words  string // all that the registry wrote
	Said   string // the part of it that errors may show
}

// Class returns the class that a refusal belongs to. ok is false when there is none.
func (r Refusal) Class() (class Class, ok bool) {
	i := slices.IndexFunc(classes, r.matches)
	if i < 0 {
		return Class{}, false
	}
	return classes[i], true
}

// matches reports whether the refusal belongs to a class.
func (r Refusal) matches(c Class) bool {
	if c.method != "" && r.Method != "" && c.method != r.Method {
		return false
	}
	if c.within != nil && r.Status != 0 && !slices.Contains(c.within, r.Status) {
		return false
	}
	return c.status != 0 && c.status == r.Status ||
		c.code != "" && slices.Contains(r.Codes, c.code) ||
		c.phrase != "" && strings.Contains(r.Words, c.phrase) ||
		c.pattern != nil && c.pattern.MatchString(r.Words)
}

var iamDenial = regexp.MustCompile(`is not authorized to perform: (\S+)`)

// DeniedAction returns the action that IAM does not allow, according to its words.
func DeniedAction(words string) string {
	if denial := iamDenial.FindStringSubmatch(words); denial != nil {
		return denial[1]
	}
	return "that action"
}
