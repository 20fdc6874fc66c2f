//go:build linux

package e2e

import (
	"testing"
)

// loginsProgram gets the login of one image from the configuration of the default provider, and that of the other from
// an explicit provider.
const loginsProgram = `config: { password: { type: string } }
resources:
  own:
    type: pulumi:providers:buildkit
    properties: { registries: [{ address: "HOST", username: me, password: "${password}" }] }
  one:
    type: buildkit:Image
    properties: { platforms: [linux/amd64], tags: ["HOST/app:one"] }
  two:
    type: buildkit:Image
    options: { provider: "${own}" }
    properties: { platforms: [linux/amd64], tags: ["HOST/app:two"] }
`

// A new password updates providers but no image. The next change of an image uses it.
func TestARotatedPasswordInTheConfiguration(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "first")
	s := open(t, program(t, withHost(registry.Host(), loginsProgram),
		map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x"}))
	rotate := func(password string) {
		registry.password.Store(&password)
		cli(t, s, "config", "set-all", "--path", "--plaintext", "buildkit:registries[0].address="+registry.Host(),
			"--plaintext", "buildkit:registries[0].username=me",
			"--secret", "buildkit:registries[0].password="+password, "--secret", "password="+password)
	}
	rotate("first")
	succeeds(t, s.Up("--skip-preview"), "+ 4 created")
	before := registry.tagDigest(t, "app:one")

	rotate("second")
	steps := previewSteps(t, s)
	checkPlan(t, steps, map[string]string{"own": "update"})
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated", "3 unchanged")

	must(t, s.Write("file", "y"))
	succeeds(t, s.Up(), "~ 2 updated")
	for _, tag := range []string{"app:one", "app:two"} {
		if got := registry.tagDigest(t, tag); got == "" || got == before {
			t.Errorf("%s holds %q, before the change %s", tag, got, before)
		}
	}
	succeeds(t, s.Destroy("--skip-preview"), "- 4 deleted")
}

// One run reports every error in a configuration.
func TestConfigurationErrorsAreReportedTogether(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "platforms: [linux/amd64]", map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n"}))
	cli(t, s, "config", "set-all", "--path", "--plaintext", "buildkit:registries[0].address=", "--secret",
		"buildkit:registries[0].password=canary",
		"--plaintext", "buildkit:host=nonsense", "--plaintext", "buildkit:maxParallelBuilds=0")
	result := s.Preview()
	fails(t, result, "registries[0].address: ", "property host", "tcp://host:port", "property maxParallelBuilds",
		"say at least 1", "3 errors")
	if linesWith(result.All(), "canary") > 0 {
		t.Errorf("the password is shown:\n%s", result.All())
	}
}
