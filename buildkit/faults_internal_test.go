package buildkit

import "testing"

// What strangers write in a Dockerfile, or what a step prints, is no fault that a daemon tells.
func TestWordsOfOthersAreNoFault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`process "/bin/sh -c echo ': no space left on device' # no SSH key \"a\" forwarded from the client" did not complete successfully: context canceled`,
		`process "/bin/sh -c grep security.insecure is not allowed" did not complete successfully: canceled`,
		"dockerfile parse error on line 2: unknown instruction: toomanyrequests: from",
		`failed to parse stage name "no SSH key ": invalid reference format`,
		"deploy: no SSH key for user bob",
		"failed to load cache key: invalid response status 404",
		`failed to process "\"${X:?a: no space left on device}\"": X: a: no space left on device`,
		`failed to process "${X:?network.host is not allowed}": X: network.host is not allowed`,
	} {
		if fault := classify(stepWordings, text); fault != Unexplained {
			t.Errorf("%s: fault %d", text, fault)
		}
	}
}

func TestFaultsOfADaemon(t *testing.T) {
	t.Parallel()
	const head = "unexpected status from HEAD request to https://a.example/v2/b/manifests/1: "
	images := map[string]Fault{
		"a.example/b:1: not found": NotFound,
		"failed to resolve source metadata for a.example/b:1: a.example/b:1: not found":                                   NotFound,
		"failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:1 from remote: not found": Incomplete,
		"no match for platform in manifest: not found":                                                                    NoPlatform,
		"no match for platform in manifest sha256:12: not found":                                                          NoPlatform,
		head + "429 Too Many Requests":                                                                                    RateLimited,
		head + "403 Forbidden\ndenied: quota exceeded":                                                                    Denied,
		head + "500 Internal Server Error":                                                                                BrokenServer,
		"pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed": Denied,
		`failed to do request: Head "https://a.example/v2/": http: server gave HTTP response to HTTPS client`:                                  PlainHTTP,
		`failed to do request: Head "https://a.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`: Untrusted,
		`failed to do request: Head "https://a.example/v2/": dial tcp: lookup a.example: no such host`:                                         Unreachable,
		`failed to do request: Head "https://a.example/v2/": tls: first record does not look like a TLS handshake`:                             PlainHTTP,
		"support Docker Image manifest version 2, schema 1 has been removed. More information at https://docs.docker.com/go/":                  OldManifest,
		"failed to copy: write /var/lib/x: no space left on device":                                                                            DiskFull,
	}
	for text, want := range images {
		if fault := classify(imageWordings, text); fault != want {
			t.Errorf("%s: fault %d, want %d", text, fault, want)
		}
	}
	steps := map[string]Fault{
		`failed to compute cache key: failed to calculate checksum of ref x::y "/no \"space": not found`: NoSource,
		`no SSH key "deploy" forwarded from the client`:                                                  NoKey,
		"granting entitlement network.host is not allowed by build daemon configuration":                 NetworkRefused,
		"failed to load LLB: network.host is not allowed":                                                NetworkHost,
		"failed to load LLB: security.insecure is not allowed":                                           SecurityInsecure,
		"failed to write: mkdir /x: no space left on device":                                             DiskFull,
		"failed to prepare x: lease does not exist: not found":                                           LostCache,
	}
	for text, want := range steps {
		if fault := classify(stepWordings, text); fault != want {
			t.Errorf("%s: fault %d, want %d", text, fault, want)
		}
	}
}
