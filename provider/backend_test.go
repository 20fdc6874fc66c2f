package provider

import (
	"os"
	"os/user"
	"path/filepath"
	"testing"
)

// The provider finds the state as the CLI does: from the variable, the project, the last login.
func TestStateFolder(t *testing.T) {
	home, project, state := t.TempDir(), t.TempDir(), t.TempDir()
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		variable, project, login string
		want                     string
	}{
		"nothing": {},
		"the service": {
			variable: "https://api.pulumi.com", project: "file://" + state, login: "file://" + state,
		},
		"a bucket":     {login: "s3://bucket"},
		"the variable": {variable: "file://" + state, project: "s3://bucket", want: state + "/.pulumi"},
		"the project": {
			project: "file://" + state + "/a", login: "file://" + state, want: state + "/a/.pulumi",
		},
		"the login":                 {login: "file://" + state, want: state + "/.pulumi"},
		"with options":              {login: "file://" + state + "?no_tmp_dir=true", want: state + "/.pulumi"},
		"an escape, as in a URL":    {variable: "file:///a%20b", want: "/a b/.pulumi"},
		"the home folder":           {variable: "file://~", want: account.HomeDir + "/.pulumi"},
		"below the home folder":     {variable: "file://~/a", want: account.HomeDir + "/a/.pulumi"},
		"a damaged project":         {project: "]\n:", login: "file://" + state, want: state + "/.pulumi"},
		"relative to where CLI ran": {variable: "file://a/../b", want: commandFolder() + "/b/.pulumi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(project)
			t.Setenv("PULUMI_HOME", home)
			t.Setenv("PULUMI_CREDENTIALS_PATH", "")
			t.Setenv("PULUMI_BACKEND_URL", test.variable)
			write(filepath.Join(project, "Pulumi.yaml"), "name: a\nruntime: yaml\nbackend:\n  url: "+test.project+"\n")
			write(filepath.Join(home, "credentials.json"), `{"current": "`+test.login+`"}`)
			if got := stateFolder(t.Context()); got != filepath.FromSlash(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
