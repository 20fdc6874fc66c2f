package fault

import "regexp"

// anyOf returns an expression for one of several ways to say something.
func anyOf(ways ...string) *regexp.Regexp {
	pattern := ""
	for _, way := range ways {
		pattern += "|" + way
	}
	return regexp.MustCompile("(?i)" + pattern[1:])
}

// How registries say it: Amazon ECR; Harbor, GitLab, Quay and others; distribution, which most registries are made of,
// and Go's network packages in it.
var (
	limitWords = anyOf(`maximum allowed number of`, `LimitExceededException`, `would have exceeded a service limit`)
	quotaWords = anyOf(`will exceed the configured upper limit of`, `\bquota\b[^\n]{0,40}\b(?:exceed|reach|full\b)`,
		`\bexceed\w*[^\n]{0,40}\bquota\b`, `\bstorage limit\b`)
	tooLargeWords = anyOf(`\brequest (?:entity|body) too large\b`, `\bpayload too large\b`,
		`\bmanifest\b[^\n]{0,30}\btoo (?:large|big)\b`)
	noStorageWords = anyOf(`\bno space left on device\b`, `\binsufficient storage\b`)
	readOnlyWords  = anyOf(`\bread[- ]?only (?:mode|registry|replica|file system)\b`)
	manifestWords  = anyOf(`\bmanifest invalid\b`, `\bmanifest schema version not supported\b`,
		`\b(?:unsupported|unknown|invalid)\b[^\n]{0,30}\bmedia ?types?\b`,
		`\bmedia ?types?\b[^\n]{0,100}\b(?:not supported|unsupported|not allowed|not accepted)\b`)
)
