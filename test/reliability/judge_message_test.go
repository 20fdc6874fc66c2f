//go:build linux

package reliability

import (
	"strings"
)

// causes lists, for each fault, what an error may say of it. One of the texts must be in the error.
var causes = map[string][]string{
	"401":          {"401", "log in", "login"},
	"403":          {"403", "denied"},
	"404":          {"404", "not found", "no such"},
	"429":          {"429", "Too Many Requests"},
	"500":          {"500"},
	"503":          {"503"},
	resetBefore:    {"reset", "EOF", "broken", "closed"},
	resetInRequest: {"reset", "EOF", "broken", "closed"},
	resetInAnswer:  {"reset", "EOF", "broken", "closed"},
	loseAnswer:     {"reset", "EOF", "broken", "closed"},
	silence:        {"timeout", "no answer", "silent", "sent nothing", "no progress", "did not answer"},
	killDaemon:     {"daemon", "buildkitd"},
}

// checkMessage checks that the error of a command names what failed.
func (j *judge) checkMessage(out outcome) {
	if out.err == nil || out.killed {
		return
	}
	text := out.err.Error()
	if j.fault != killDaemon && !strings.Contains(text, j.world.point.Host) {
		j.violate("the message names what failed", "it does not name the registry %s: %s", j.world.point.Host, text)
	}
	for _, cause := range causes[j.fault] {
		if strings.Contains(text, cause) {
			return
		}
	}
	j.violate("the message names what failed", "it has none of %q: %s", causes[j.fault], text)
}
