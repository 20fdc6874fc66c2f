package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

func TestExplainEndpoint(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"tcp://me:t0ken@host:1": "would not send them",
		"":                      `"" is not an endpoint: write ` + knownForms,
		"unix://run/b.sock":     "has an absolute path: write unix:///run/buildkit/buildkitd.sock",
		"tcp://host":            "a tcp:// endpoint has a port: write one, such as tcp://host:1234",
		"http://b":              "the scheme http:// is not known: use " + knownForms,
		"docker-container://":   "url lacks container name: write docker-container://CONTAINER",
	} {
		_, err := endpoint.Parse(address)
		if got := explainEndpoint(err); got == nil || !strings.HasSuffix(got.Error(), want) {
			t.Errorf("%q: got %v", address, got)
		}
	}
	if err := explainEndpoint(nil); err != nil {
		t.Error(err)
	}
}

func TestExplainLocal(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	link := withTargetOfBuild(&buildkit.ExportError{Err: &file.LinkError{}})
	const keys = "a key with a passphrase can be used through an agent (ssh-add)"
	for want, err := range map[string]error{
		"other":          other,
		`ssh "a": other`: &buildkit.AgentError{ID: "a", Err: other},
		`ssh "a": other; start one (ssh-agent), or give paths of keys`: &buildkit.AgentError{
			ID: "a", Fault: buildkit.AgentMissing, Err: other,
		},
		`ssh "a": other; ` + keys:      &buildkit.AgentError{ID: "a", Fault: buildkit.AgentKeys, Err: other},
		"too old; use a newer builder": &buildkit.OldDaemonError{Text: "too old"},
		"g: the branch or tag stands in a query. With pull, write it behind #": &inputs.GitQueryError{Location: "g"},
		"exports: a.tar: other":    &buildkit.ExportError{Path: "a.tar", Err: other},
		"exports: " + link.Error(): link,
		"exports: out/a: no space left on device. Free space on the disk of that folder": &buildkit.ExportError{
			Path: "out/a", Err: syscall.ENOSPC,
		},
	} {
		if got := explainBuild(err).Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWarningText(t *testing.T) {
	t.Parallel()
	// The text has no secrets, unlike the error.
	for want, warning := range map[string]error{
		"TEXT":                       nil,
		"cacheFrom: TEXT":            &buildkit.CacheError{Err: errors.New("canary")},
		"cacheFrom: TEXT. Remove it": &buildkit.CacheError{Err: fmt.Errorf("%w: canary", &buildkit.CacheFileError{})},
		"TEXT. Write the URL without it, and give the login as a secret, GIT_AUTH_TOKEN.<host> for git or " +
			"HTTP_AUTH_TOKEN_<host> for files": &buildkit.DockerfileLoginError{},
		"TEXT. Export tar to keep them": &buildkit.PlainFilesError{},
	} {
		if got := warningText(buildkit.Event{Kind: buildkit.Warned, Text: "TEXT", Warning: warning}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInputWarnings(t *testing.T) {
	t.Parallel()
	got := inputWarnings([]inputs.Warning{
		{Text: "a"},
		{Kind: inputs.NotSent, Text: "b"},
		{Kind: inputs.Uncertain, Text: "c", Folders: "data (1MiB in 1 files)"},
		{Kind: inputs.MostlyUnread, Text: "d", Folders: "data (1MiB in 1 files)"},
	})
	want := []string{
		"a",
		"b. Add them to .dockerignore to be rid of this warning",
		"c. Name what it does not need in .dockerignore, as perhaps: data (1MiB in 1 files)",
		"d. Set watch to auto, or name in .dockerignore: data (1MiB in 1 files)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
