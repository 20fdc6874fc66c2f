package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

func TestParseTag(t *testing.T) {
	t.Parallel()
	const ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	tests := []struct{ tag, repository, host, full string }{
		{"ghcr.io/acme/app:1", "ghcr.io/acme/app", "ghcr.io", "ghcr.io/acme/app:1"},
		{"ghcr.io/acme/app", "ghcr.io/acme/app", "ghcr.io", "ghcr.io/acme/app:latest"},
		{"GHCR.io/acme/app:V1", "ghcr.io/acme/app", "ghcr.io", "ghcr.io/acme/app:V1"},
		{"user/app:1", "docker.io/user/app", "docker.io", "docker.io/user/app:1"},
		{"index.docker.io/user/app:1", "docker.io/user/app", "docker.io", "docker.io/user/app:1"},
		{"docker.io/library/app:1", "docker.io/library/app", "docker.io", "docker.io/library/app:1"},
		{"localhost/app:1", "localhost/app", "localhost", "localhost/app:1"},
		{"localhost:5000/app:1", "localhost:5000/app", "localhost:5000", "localhost:5000/app:1"},
		{"127.0.0.1:5000/a/b/c_d", "127.0.0.1:5000/a/b/c_d", "127.0.0.1:5000", "127.0.0.1:5000/a/b/c_d:latest"},
		{"[::1]:5000/app:1", "[::1]:5000/app", "[::1]:5000", "[::1]:5000/app:1"},
		{ecr + "/team/app:v1.2_3-x", ecr + "/team/app", ecr, ecr + "/team/app:v1.2_3-x"},
	}
	for _, test := range tests {
		t.Run(test.tag, func(t *testing.T) {
			t.Parallel()
			tag, err := registry.ParseTag(test.tag)
			if err != nil {
				t.Fatal(err)
			}
			if tag.Repository() != test.repository || tag.Host() != test.host || tag.String() != test.full {
				t.Errorf("repository %s, host %s, %s", tag.Repository(), tag.Host(), tag)
			}
		})
	}
}

// label is part of the error about what stands after the colon.
const label = ", where only letters, digits, _ . and - may stand; "

// refusedTags are tags with the text of their error. Behind the semicolon stands the proposal.
var refusedTags = []struct{ name, tag, want string }{
	{"empty", "", `tag "" is empty`},
	{"space", "ghcr.io/acme/app: 1", `tag "ghcr.io/acme/app: 1" contains white space; ghcr.io/acme/app:1`},
	{
		"space and more", "https://Ghcr.io/Acme/ App:",
		`tag "https://Ghcr.io/Acme/ App:" contains white space; ghcr.io/acme/app:latest`,
	},
	{"only space", " ", `tag " " contains white space`},
	{"only a scheme", "https://App", `tag "https://App" begins with a scheme`},
	{"newline", "user/app:1\n", `tag "user/app:1\n" contains white space; user/app:1`},
	{
		"scheme", "https://ghcr.io/acme/app:1",
		`tag "https://ghcr.io/acme/app:1" begins with a scheme; ghcr.io/acme/app:1`,
	},
	{
		"digest", "user/app:1@sha256:" + strings.Repeat("a", 64),
		`tag "user/app:1@sha256:` + strings.Repeat("a", 64) +
			`" contains a digest, which is known only after the build; user/app:1`,
	},
	{
		"bare", "app", `tag "app" would go to docker.io/library/app; app:latest`,
	},
	{
		"bare with tag", "app:1", `tag "app:1" would go to docker.io/library/app; app:1`,
	},
	{
		"bare with host", "docker.io/app:1", `tag "docker.io/app:1" would go to docker.io/library/app; app:1`,
	},
	{"bare, capitals", "App:1", `tag "App:1" has capitals in its repository`},
	{"bare, odd", "app:1+2", `tag "app:1+2" has "+" after the colon, where only letters, digits, _ . and - may stand`},
	{
		"bare, odd path", `ghcr.io\a:1`,
		`tag "ghcr.io\\a:1" has "\\" in its repository, where only small letters, digits, ` +
			". _ - and / may stand",
	},
	{
		"capitals", "ghcr.io/Acme/App:V1",
		`tag "ghcr.io/Acme/App:V1" has capitals in its repository; ghcr.io/acme/app:V1`,
	},
	{"capitals at Docker Hub", "User/app:1", `tag "User/app:1" has capitals in its repository; user/app:1`},
	{"nothing after the colon", "user/app:", `tag "user/app:" has nothing after the colon; user/app:latest`},
	{
		"long", "user/app:" + strings.Repeat("a", 129),
		`tag "user/app:` + strings.Repeat("a", 129) + `" has 129 characters after the colon`,
	},
	{
		"odd", "user/app:a+b",
		`tag "user/app:a+b" has "+" after the colon` + label + `user/app:a-b`,
	},
	{
		"slash", "ghcr.io/acme/app:feature/x", `tag "ghcr.io/acme/app:feature/x" has "/" after the colon` + label +
			`ghcr.io/acme/app:feature-x`,
	},
	{
		"slash and port", "localhost:5000/app:feature/a/B",
		`tag "localhost:5000/app:feature/a/B" has "/" after the colon` + label + `localhost:5000/app:feature-a-B`,
	},
	{
		"slash, IPv6", "[::1]:5000/app:a/b", `tag "[::1]:5000/app:a/b" has "/" after the colon` + label +
			`[::1]:5000/app:a-b`,
	},
	{
		"slash without a host", "app:feature/x",
		`tag "app:feature/x" has "/" after the colon, where only letters, digits, _ . and - may stand`,
	},
	{
		"two colons", "ghcr.io/acme/app:1:2", `tag "ghcr.io/acme/app:1:2" has ":" after the colon` + label +
			`ghcr.io/acme/app:1-2`,
	},
	{
		"at", "ghcr.io/acme/app:1@2", `tag "ghcr.io/acme/app:1@2" has "@" after the colon` + label +
			`ghcr.io/acme/app:1-2`,
	},
	{
		"SemVer", "ghcr.io/acme/app:1.0.0-rc.1+build.5",
		`tag "ghcr.io/acme/app:1.0.0-rc.1+build.5" has "+" after the colon` + label +
			`ghcr.io/acme/app:1.0.0-rc.1-build.5`,
	},
	{
		"several", "ghcr.io/acme/app:+a~b+", `tag "ghcr.io/acme/app:+a~b+" has "+" and "~" after the colon` + label +
			`ghcr.io/acme/app:a-b-`,
	},
	{
		"nothing left", "ghcr.io/acme/app:++", `tag "ghcr.io/acme/app:++" has "+" after the colon` + label +
			`ghcr.io/acme/app:latest`,
	},
	{
		"letters", "ghcr.io/acme/app:größe", `tag "ghcr.io/acme/app:größe" has "ö" and "ß" after the colon` + label +
			`ghcr.io/acme/app:gr--e`,
	},
	{
		"leading dash", "user/app:-1",
		`tag "user/app:-1" begins with "-" after the colon, where a letter, a digit or _ must stand; user/app:1`,
	},
	{
		"leading dot", "user/app:.1",
		`tag "user/app:.1" begins with "." after the colon, where a letter, a digit or _ must stand; user/app:1`,
	},
	{
		"odd repository", "ghcr.io/acme/a$b:1",
		`tag "ghcr.io/acme/a$b:1" has "$" in its repository, where only small letters, digits, ` +
			". _ - and / may stand; ghcr.io/acme/a-b:1",
	},
	{
		"odd separators", "ghcr.io/acme/a..b:1",
		`tag "ghcr.io/acme/a..b:1" is not a reference: invalid reference format`,
	},
	{
		"no repository", "ghcr.io/:1", `tag "ghcr.io/:1" is not a reference: invalid reference format`,
	},
}

func TestParseTagErrors(t *testing.T) {
	t.Parallel()
	for _, test := range refusedTags {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tag, err := registry.ParseTag(test.tag)
			if err == nil {
				t.Fatalf("taken as %s", tag)
			}
			got := err.Error()
			if wrong, ok := errors.AsType[*fault.Error](err); ok && wrong.Proposal != "" {
				got += "; " + wrong.Proposal
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParseTagHidesAPassword(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"https://me:hunter2@ghcr.io/acme/app:1", "me:hunter2@ghcr.io/acme/app", "me:hunter2@shared.example.com",
		" me:hunter2@ghcr.io/x",
		"me:hunter2@ghcr.io/app@sha256:" + strings.Repeat("a", 64),
		"me:hunter2@app", "me:a/hunter2@app", "me:a/b:hunter2@app", "https://me/x:hunter2@app",
	} {
		_, err := registry.ParseTag(s)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestTagIsComparable(t *testing.T) {
	t.Parallel()
	one, _ := registry.ParseTag("user/app")
	other, _ := registry.ParseTag("docker.io/user/app:latest")
	if one != other {
		t.Errorf("%s and %s differ", one, other)
	}
}
