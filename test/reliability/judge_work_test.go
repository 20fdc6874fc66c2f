//go:build linux

package reliability

import (
	"net/http"
	"slices"
	"strings"
)

// noMoreWork is a promise of checkWork.
const noMoreWork = "the next command does no more than is left"

// checkWork checks that the command after the fault did no more than was left to do. held are the blobs that the
// repositories had before it.
func (j *judge) checkWork(first, second outcome, held map[repositoryBlob]bool) {
	lines := j.world.point.requests()
	if asked := j.excess(lines); first.err == nil && (second.changed || len(asked) > 0) {
		j.violate(noMoreWork, "nothing was left: it changed something (%v) or asked %v", second.changed, asked)
	}
	for _, line := range lines {
		if blob, ok := line.upload(); ok && held[blob] && !j.mayMiss(blob) {
			j.violate(noMoreWork, "it uploaded %s to %s again: %s", blob.digest, blob.repository,
				requestsOf(blob.digest, slices.Concat(j.earlier, lines)))
		}
	}
	if quiet := len(j.old.quiet["registry"]); quiet > 0 && len(lines) > quiet+quiet/2 {
		j.violate(noMoreWork, "it made %d requests, and an undisturbed command makes %d", len(lines), quiet)
	}
}

// mayMiss tells whether the next command may upload a blob that its repository has. Nobody waits for the cache of a
// killed command: the registry may have still been committing the blob then. It has not answered such an upload.
func (j *judge) mayMiss(blob repositoryBlob) bool {
	return blob.repository == "cache" && !slices.ContainsFunc(j.earlier, func(line requestLine) bool {
		uploaded, ok := line.upload()
		return ok && uploaded == blob && line.answered
	})
}

// upload returns the blob whose upload the request ends. ok is false if it ends none.
func (l requestLine) upload() (blob repositoryBlob, ok bool) {
	place, digest, hasDigest := strings.Cut(l.path, " digest=")
	repository, _, isBlob := strings.Cut(strings.TrimPrefix(place, "/v2/"), "/blobs/")
	return repositoryBlob{repository, digest}, hasDigest && isBlob && l.method == http.MethodPut
}

// requestsOf returns the requests about a blob, with their times.
func requestsOf(blob string, lines []requestLine) string {
	var of []string
	for _, line := range lines {
		if strings.Contains(line.path, blob) {
			of = append(of, line.time.Format("05.000 ")+line.String())
		}
	}
	return strings.Join(of, ", ")
}

// excess returns the requests of a command that has nothing to do. A refresh asks for tags, and an Index for its
// sources.
func (j *judge) excess(lines []requestLine) []requestLine {
	if j.step.command != refresh && j.step.kind == "Image" {
		return lines
	}
	return slices.DeleteFunc(slices.Clone(lines), func(line requestLine) bool {
		return line.method == http.MethodGet || line.method == http.MethodHead
	})
}
