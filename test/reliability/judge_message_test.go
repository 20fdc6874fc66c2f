//go:build linux

package reliability

import (
	"slices"
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

// daemonCauses lists what an error may say of a connection to the daemon that failed.
var daemonCauses = []string{"EOF", "closed", "reset", "broken", "answer", "sent nothing", "lost", "ended", "gone",
	"does not respond"}

// fileCauses lists what an error may say of a file operation that failed.
var fileCauses = []string{"no space left on device", "input/output error", "permission denied", "too many open files",
	"short write"}

// checkMessage checks that the error of a command names what failed, and how. A warning of a cache names the cache.
func (j *judge) checkMessage(out outcome) {
	for line := range strings.Lines(out.log) {
		if strings.Contains(line, "was not written") && !strings.Contains(line, j.world.point.Host+"/cache:1") {
			j.violate("the message names what failed", "it does not name the cache: %s", line)
		}
	}
	if out.err == nil || out.killed {
		return
	}
	subject, accepted := j.world.point.Host, causes[j.fault]
	switch j.world.kind {
	case messageFaults:
		subject, accepted = j.world.messages.socket, daemonCauses
	case fileFaults:
		subject, accepted = "", fileCauses
	}
	text := out.err.Error()
	if j.fault != killDaemon && !strings.Contains(text, subject) {
		j.violate("the message names what failed", "it does not name %s: %s", subject, text)
	}
	if !slices.ContainsFunc(accepted, func(cause string) bool { return strings.Contains(text, cause) }) {
		j.violate("the message names what failed", "it has none of %q: %s", accepted, text)
	}
}
