package dockerfile

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expansion bounds what a text becomes when the variables in it are replaced.
type expansion struct {
	all       int64 // bytes
	own       int64 // bytes, without what base images give to variables
	refs      int64 // references to variables
	nameBytes int64 // bytes of their names
	patterns  int64 // cost of the regular expressions of ${name%pattern} and the like
}

// variables bounds the values of variables by their names, which are in upper case: Windows tells no cases apart.
type variables struct {
	values    map[string]expansion
	base      int64 // bytes that a base image may give to a variable
	longest   expansion
	sentinels int64 // bytes of the environment of a dry run
}

// referencePattern matches what could be a reference to a variable, as a dry run of package inputs finds it.
var referencePattern = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// sentinelBytes are the bytes of an entry of the environment of a dry run, without its name.
const sentinelBytes = 16

func newVariables(text []byte, base int64) variables {
	v := variables{values: map[string]expansion{}, base: base, longest: expansion{all: base}}
	seen := map[string]bool{}
	for _, m := range referencePattern.FindAllSubmatch(text, -1) {
		if name := string(m[1]); !seen[name] {
			seen[name] = true
			v.sentinels += int64(len(name)) + sentinelBytes
		}
	}
	return v
}

// value bounds the value of a variable.
func (v *variables) value(name string) expansion {
	x := v.values[strings.ToUpper(name)]
	x.all = max(x.all, v.base)
	return x
}

// raise records that a variable may have a value that is as long as x.
func (v *variables) raise(name string, x expansion) {
	name = strings.ToUpper(name)
	value := v.values[name]
	value.all, value.own = max(value.all, x.all), max(value.own, x.own)
	v.values[name] = value
	v.longest.all, v.longest.own = max(v.longest.all, x.all), max(v.longest.own, x.own)
}

// expand bounds the expansion of a text. Every $ in it counts as a reference, in quotes and after an escape too. So it
// does not matter how the frontend splits the text into words.
func (v *variables) expand(text string) expansion {
	x := expansion{all: int64(len(text)), own: int64(len(text))}
	if strings.Contains(text, `\u`) && strings.Contains(text, "[") { // a $ of JSON
		x.all = hugeCost
		return x
	}
	for rest := text; ; {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			return x
		}
		rest = rest[at+1:]
		v.addReference(&x, rest)
	}
}

// addReference adds to x the variable that rest, the text behind a $, begins with.
func (v *variables) addReference(x *expansion, rest string) {
	rest, braced := strings.CutPrefix(rest, "{")
	name := leadingName(rest)
	value := v.longest
	if isPlain(name) {
		value = v.value(name)
	}
	x.refs++
	x.nameBytes += int64(len(name))
	if braced {
		value = v.boundModifier(value, rest[len(name):], x)
	}
	x.all, x.own = min(hugeCost, x.all+value.all), min(hugeCost, x.own+value.own)
}

// boundModifier bounds the value of a variable after a modifier that matches a pattern: %, # or /. The pattern and what
// replaces it have to be plain text, or there is no bound.
func (v *variables) boundModifier(value expansion, rest string, x *expansion) expansion {
	if rest != "" && !strings.ContainsRune("%#/", firstRune(rest)) && isNameOrModifier(rest) {
		return value
	}
	inside, _, closed := strings.Cut(rest, "}")
	if !closed || strings.ContainsAny(inside, "$\\`'\"<") {
		value.all, value.own = hugeCost, hugeCost
		return value
	}
	size := int64(len(inside)) + 1
	x.patterns = min(hugeCost, x.patterns+size*patternCost+saturate(size, 2*value.all))
	if strings.HasPrefix(inside, "//") { // each place between two bytes may be replaced
		value.all, value.own = saturate(value.all+1, size+1), saturate(value.own+1, size+1)
		return value
	}
	value.all, value.own = value.all+size, value.own+size
	return value
}

// isNameOrModifier tells whether what follows a name in ${name is the end, or a modifier that matches no pattern.
func isNameOrModifier(rest string) bool { return strings.ContainsRune("}:-+?", firstRune(rest)) }

func firstRune(text string) rune {
	r, _ := utf8.DecodeRuneInString(text)
	return r
}

// leadingName returns the name of a variable that a text begins with, as BuildKit's shell.Lex reads it: letters, digits
// and underscores, digits alone, or one special character.
func leadingName(text string) string {
	for i, r := range text {
		switch {
		case i == 0 && strings.ContainsRune("@*#?-$!0", r):
			return text[:1]
		case i > 0 && unicode.IsDigit(firstRune(text)) && !unicode.IsDigit(r),
			!unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_':
			return text[:i]
		}
	}
	return text
}

// isPlain tells whether a name of a variable has ASCII letters, digits and underscores only, and does not begin with a
// digit.
func isPlain(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
