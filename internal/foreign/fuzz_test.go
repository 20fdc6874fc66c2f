package foreign_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// FuzzText puts text around a secret. Text and Line cut the secret, and what they return is visible, bounded, without
// markup, and does not change when it is cleaned again.
func FuzzText(f *testing.F) {
	f.Add("GET https://", " failed")
	f.Add("\x1b[31m\x1b]0;title\x07", "\r\n\u202e<{%x%}>")
	f.Add("<{\x1b[0m%fg 1%}>\xff", strings.Repeat("a\n", 4_000))
	f.Add(strings.Repeat("word ", 4_000), "\x9b\u200b")
	f.Add("eyJhbGciOi", ".eyJzdWIiOiIx.\n-----BEGIN PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, canary) {
			t.Skip()
		}
		for _, secret := range []string{
			"?X-Amz-Signature=" + canary, " ghp_" + canary + " ", `{"token":"` + canary + `"}`,
			"https://user:" + canary + "@h", " NPM_TOKEN=" + canary, "\nX-Auth-Token: " + canary + "\n",
		} {
			for name, clean := range map[string]func(string) string{"Text": foreign.Text, "Line": foreign.Line} {
				check(t, name, clean, before+secret+after)
			}
		}
	})
}

func check(t *testing.T, name string, clean func(string) string, text string) {
	t.Helper()
	got := clean(text)
	if strings.Contains(got, canary) {
		t.Errorf("%s(%.500q) shows the secret: %.500q", name, text, got)
	}
	if again := clean(got); again != got {
		t.Errorf("%s twice: %.500q, %.500q", name, got, again)
	}
	if colored := colors.Always.Colorize(got); colored != got || colors.Never.Colorize(got) != got {
		t.Errorf("%s(%.500q): the CLI would act on %.500q", name, text, got)
	}
	if len(got) > 32<<10 || !utf8.ValidString(got) {
		t.Errorf("%s: %d bytes, valid: %v", name, len(got), utf8.ValidString(got))
	}
	for _, r := range got {
		if !unicode.IsGraphic(r) && r != '\t' && (r != '\n' || name == "Line") {
			t.Errorf("%s(%.500q) has %U", name, text, r)
		}
	}
}
