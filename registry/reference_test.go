package registry_test

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

func TestParseReference(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	for given, want := range map[string]string{
		"ghcr.io/acme/app:1":                "ghcr.io/acme/app:1",
		"ghcr.io/acme/app":                  "ghcr.io/acme/app:latest",
		"ghcr.io/acme/app@" + digest:        "ghcr.io/acme/app@" + digest,
		"ghcr.io/acme/app:1@" + digest:      "ghcr.io/acme/app@" + digest,
		"acme/app:1":                        "docker.io/acme/app:1",
		"alpine:3.20":                       "docker.io/library/alpine:3.20",
		"alpine@" + digest:                  "docker.io/library/alpine@" + digest,
		"localhost:5000/app:1@" + digest:    "localhost:5000/app@" + digest,
		"":                                  `tag "" is empty`,
		"ghcr.io/acme/App:1":                `tag "ghcr.io/acme/App:1" `,
		"ghcr.io/acme/app@sha256:12":        `digest "sha256:12" is not like sha256:<64 hex digits>`,
		"user:secret@ghcr.io/app@" + digest: `tag "ghcr.io/app" had a user name or password before it`,
	} {
		got, err := registry.ParseReference(given)
		if err != nil {
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q: %v, want %s", given, err, want)
			}
			continue
		}
		if got.String() != want {
			t.Errorf("%q: got %s, want %s", given, got, want)
		}
	}
}
