package buildkit

import "testing"

// Words in a Dockerfile, or in the output of a step, are no fault.
func TestForeignWordsAreNoFault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`process "/bin/sh -c echo ': no space left on device' # no SSH key \"a\" forwarded from the client" ` +
			`did not complete successfully: context canceled`,
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
	const request = `failed to do request: Head "https://a.example/v2/": `
	images := []struct {
		fault Fault
		text  string
	}{
		{NotFound, "a.example/b:1: not found"},
		{NotFound, "failed to resolve source metadata for a.example/b:1: a.example/b:1: not found"},
		{Incomplete, "failed to copy: httpReadSeeker: failed open: " +
			"could not fetch content descriptor sha256:1 from remote: not found"},
		{NoPlatform, "no match for platform in manifest: not found"},
		{NoPlatform, "no match for platform in manifest sha256:12: not found"},
		{RateLimited, head + "429 Too Many Requests"},
		{Denied, head + "403 Forbidden\ndenied: quota exceeded"},
		{BrokenServer, head + "500 Internal Server Error"},
		{Denied, "pull access denied, repository does not exist or may require authorization: " +
			"server message: insufficient_scope: authorization failed"},
		{PlainHTTP, request + `http: server gave HTTP response to HTTPS client`},
		{Untrusted, request + `tls: failed to verify certificate: x509: certificate signed by unknown authority`},
		{Unreachable, request + `dial tcp: lookup a.example: no such host`},
		{PlainHTTP, request + `tls: first record does not look like a TLS handshake`},
		{OldManifest, "support Docker Image manifest version 2, schema 1 has been removed. " +
			"More information at https://docs.docker.com/go/"},
		{DiskFull, "failed to copy: write /var/lib/x: no space left on device"},
	}
	for _, c := range images {
		if fault := classify(imageWordings, c.text); fault != c.fault {
			t.Errorf("%s: fault %d, want %d", c.text, fault, c.fault)
		}
	}
	steps := []struct {
		fault Fault
		text  string
	}{
		{NoSource, `failed to compute cache key: failed to calculate checksum of ref x::y "/no \"space": not found`},
		{NoKey, `no SSH key "deploy" forwarded from the client`},
		{NetworkRefused, "granting entitlement network.host is not allowed by build daemon configuration"},
		{NetworkHost, "failed to load LLB: network.host is not allowed"},
		{SecurityInsecure, "failed to load LLB: security.insecure is not allowed"},
		{DiskFull, "failed to write: mkdir /x: no space left on device"},
		{LostCache, "failed to prepare x: lease does not exist: not found"},
		{DamagedCache, "failed to prepare  as x: failed to open database file: invalid database"},
		{DamagedCache, "failed to walk: resolve : lstat /r/snapshots/snapshots/1: no such file or directory"},
		{DamagedCache, "rename /r/snapshots/snapshots/new-3740494612 /r/snapshots/snapshots/1: file exists"},
		{DamagedCache, "failed to prepare x as y: parent snapshot x does not exist: not found"},
		{NoGit, "failed to read dockerfile: failed to load cache key: unknown scheme git: not found"},
	}
	for _, c := range steps {
		if fault := classify(stepWordings, c.text); fault != c.fault {
			t.Errorf("%s: fault %d, want %d", c.text, fault, c.fault)
		}
	}
}
