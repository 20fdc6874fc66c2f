package buildkit

import (
	"regexp"
	"strings"
	"sync"
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
	text  func() *regexp.Regexp
}

// pattern returns a function that compiles an expression when it is called first. A start of the plugin, and of each of
// its processes, would take a millisecond for all of them, and most runs meet no fault.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// imageWordings are tried in this order on an error about an image.
var imageWordings = []wording{
	{DiskFull, pattern(`: (?:no space left on device|disk quota exceeded)$`)},
	{NoPlatform, pattern(`\bno match for platform in manifest\b[^\n]*: not found$`)},
	{OldManifest, pattern(`\bmanifest version 2, schema 1 has been removed\b|\bschema 1 not supported$`)},
	{NotFound, pattern(`^(?:failed to resolve source metadata for \S+: )?[^\s"]+: not found$`)},
	{Incomplete, pattern(`: not found$`)},
	{RateLimited, pattern(`: 429 Too Many Requests\b|(?m)^toomanyrequests: `)},
	{Denied, pattern(`: 40[13] (?:Unauthorized|Forbidden)\b|\bauthorization failed\b`)},
	{Denied, pattern(`(?m)^(?:unauthorized|denied): `)},
	{PlainHTTP, pattern(`: http: server gave HTTP response to HTTPS client$`)},
	{PlainHTTP, pattern(`: tls: first record does not look like a TLS handshake$`)},
	{Untrusted, pattern(`: tls: failed to verify certificate: `)},
	{BrokenServer, pattern(`\bunexpected status from \w+ request to \S+: 5\d\d\b`)},
	{Unreachable, pattern(`\bfailed to do request: |: (?:i/o timeout|EOF|connection reset by peer)$`)},
}

// stepWordings are tried in this order on an error about a step, or about no step, image or push.
var stepWordings = []wording{
	{NoSource, pattern(`\bfailed to calculate checksum of ref \S+ "(?:[^"\\]|\\.)*": not found$`)},
	{NoKey, pattern(`(?:^|: )no SSH key "(?:[^"\\]|\\.)*" forwarded from the client$`)},
	{NetworkRefused, pattern(`(?:^|: )granting entitlement network\.host is not allowed\b`)},
	{Ungranted, pattern(`(?:^|: )granting entitlement (?:security\.insecure|device) is not allowed\b`)},
	{NetworkHost, pattern(`(?:^|: )network\.host is not allowed$`)},
	{SecurityInsecure, pattern(`(?:^|: )security\.insecure is not allowed$`)},
	{DiskFull, pattern(`: (?:no space left on device|disk quota exceeded)$`)},
	{LostCache, pattern(`: lease does not exist: not found$`)},
	{DamagedCache, pattern(`: failed to open database file: |` +
		`/snapshots/snapshots/(?:new-)?\d+\S*: (?:no such file or directory|file exists)$|` +
		`\bparent snapshot \S+ does not exist: not found$`)},
	{NoGit, pattern(`(?:^|: )unknown scheme git: not found$`)},
}

// stepProcess matches the process of a step. Its words come from the Dockerfile, so they say nothing about the fault.
var stepProcess = pattern(`process "(?:[^"\\]|\\.)*" did not complete successfully: `)

// frontendErrorPrefix begins an error of the frontend that repeats words of the Dockerfile, such as those of
// ${NAME:?words}.
const frontendErrorPrefix = `failed to process "`

// classify returns the fault of the first wording that matches the daemon's text.
func classify(wordings []wording, text string) Fault {
	text = strings.TrimSpace(stepProcess().ReplaceAllString(text, ""))
	if strings.HasPrefix(text, frontendErrorPrefix) {
		return Unexplained
	}
	for _, w := range wordings {
		if w.text().MatchString(text) {
			return w.fault
		}
	}
	return Unexplained
}
