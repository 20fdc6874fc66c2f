package buildkit

import (
	"regexp"
	"strings"
)

// Fault is a kind of failure. An error of a daemon arrives as text, so most faults are known by their wording only.
type Fault int

// The faults of images, and below them those of steps and of the daemon itself.
const (
	Unexplained  Fault = iota
	NotFound           // the registry has no such image
	Incomplete         // the registry has the image, and not all that belongs to it
	Denied             // the registry wants a login, or another one
	RateLimited        // the registry limits how often images are pulled
	Unreachable        // the registry does not answer
	PlainHTTP          // the registry speaks plain http
	Untrusted          // the builder does not trust the authority of the registry's certificate
	NoPlatform         // the registry has the image for other platforms
	OldManifest        // the image has a manifest of schema 1
	BrokenServer       // the registry answers 5xx

	NoSource         // COPY or ADD names a file that is not there
	NoKey            // a step or a git source asks for an SSH agent that was not given
	NetworkHost      // "network.host is not allowed": a step asks for the network of the machine
	NetworkRefused   // "granting entitlement network.host is not allowed": the daemon grants that network to no build
	Ungranted        // "granting entitlement security.insecure is not allowed": the daemon grants that to no build
	SecurityInsecure // "security.insecure is not allowed": a step asks for all privileges
	DiskFull         // no space is left on the daemon's disk
	LostCache        // the daemon lost what it had kept
	DamagedCache     // what the daemon keeps is damaged: its databases, or the files that they name
	NoGit            // "unknown scheme git": the daemon found no git on its PATH
)

// wording matches the text by which a daemon, or a registry through it, reports a fault.
type wording struct {
	fault Fault
	text  *regexp.Regexp
}

// imageWordings are tried in this order on an error about an image.
var imageWordings = []wording{
	{DiskFull, regexp.MustCompile(`: (?:no space left on device|disk quota exceeded)$`)},
	{NoPlatform, regexp.MustCompile(`\bno match for platform in manifest\b[^\n]*: not found$`)},
	{OldManifest, regexp.MustCompile(`\bmanifest version 2, schema 1 has been removed\b|\bschema 1 not supported$`)},
	{NotFound, regexp.MustCompile(`^(?:failed to resolve source metadata for \S+: )?[^\s"]+: not found$`)},
	{Incomplete, regexp.MustCompile(`: not found$`)},
	{RateLimited, regexp.MustCompile(`: 429 Too Many Requests\b|(?m)^toomanyrequests: `)},
	{Denied, regexp.MustCompile(`: 40[13] (?:Unauthorized|Forbidden)\b|\bauthorization failed\b`)},
	{Denied, regexp.MustCompile(`(?m)^(?:unauthorized|denied): `)},
	{PlainHTTP, regexp.MustCompile(`: http: server gave HTTP response to HTTPS client$`)},
	{PlainHTTP, regexp.MustCompile(`: tls: first record does not look like a TLS handshake$`)},
	{Untrusted, regexp.MustCompile(`: tls: failed to verify certificate: `)},
	{BrokenServer, regexp.MustCompile(`\bunexpected status from \w+ request to \S+: 5\d\d\b`)},
	{Unreachable, regexp.MustCompile(`\bfailed to do request: |: (?:i/o timeout|EOF|connection reset by peer)$`)},
}

// stepWordings are tried in this order on an error about a step, or about no step, image or push.
var stepWordings = []wording{
	{NoSource, regexp.MustCompile(`\bfailed to calculate checksum of ref \S+ "(?:[^"\\]|\\.)*": not found$`)},
	{NoKey, regexp.MustCompile(`(?:^|: )no SSH key "(?:[^"\\]|\\.)*" forwarded from the client$`)},
	{NetworkRefused, regexp.MustCompile(`(?:^|: )granting entitlement network\.host is not allowed\b`)},
	{Ungranted, regexp.MustCompile(`(?:^|: )granting entitlement (?:security\.insecure|device) is not allowed\b`)},
	{NetworkHost, regexp.MustCompile(`(?:^|: )network\.host is not allowed$`)},
	{SecurityInsecure, regexp.MustCompile(`(?:^|: )security\.insecure is not allowed$`)},
	{DiskFull, regexp.MustCompile(`: (?:no space left on device|disk quota exceeded)$`)},
	{LostCache, regexp.MustCompile(`: lease does not exist: not found$`)},
	{DamagedCache, regexp.MustCompile(`: failed to open database file: |` +
		`/snapshots/snapshots/(?:new-)?\d+\S*: (?:no such file or directory|file exists)$|` +
		`\bparent snapshot \S+ does not exist: not found$`)},
	{NoGit, regexp.MustCompile(`(?:^|: )unknown scheme git: not found$`)},
}

// stepProcess matches the process of a step. Its words come from the Dockerfile, so they say nothing about the fault.
var stepProcess = regexp.MustCompile(`process "(?:[^"\\]|\\.)*" did not complete successfully: `)

// frontendErrorPrefix begins an error of the frontend that repeats words of the Dockerfile, such as those of
// ${NAME:?words}.
const frontendErrorPrefix = `failed to process "`

// classify returns the fault of the first wording that matches the daemon's text.
func classify(wordings []wording, text string) Fault {
	text = strings.TrimSpace(stepProcess.ReplaceAllString(text, ""))
	if strings.HasPrefix(text, frontendErrorPrefix) {
		return Unexplained
	}
	for _, w := range wordings {
		if w.text.MatchString(text) {
			return w.fault
		}
	}
	return Unexplained
}
