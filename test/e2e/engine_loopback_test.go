//go:build linux

package e2e

import "testing"

// A registry on this machine's loopback is reached from an engine with another loopback: base image, cache and push.
// The engine's own BuildKit cannot, so ours runs there, which the terminal says.
func TestRegistryOfThisMachineAndAnEngineElsewhere(t *testing.T) {
	t.Parallel()
	files := map[string]string{"Dockerfile": "FROM BUSYBOX\nCOPY Dockerfile /\nRUN echo ran\n"}
	properties := "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\nsourceDateEpoch: 0\n" +
		"cacheTo: [{ registry: { ref: \"REPO:cache\" } }]\n"
	embedded := open(t, project(t, properties, files))
	succeeds(t, embedded.Up("--skip-preview"))
	want := image(t, embedded).Outputs["digest"]
	s := open(t, project(t, properties+endpointOf(t, &apartEngine), files))
	succeeds(t, s.Up(), "+ 2 created",
		"it does not reach "+shared.Registry.Host+" on the loopback of this machine, so our BuildKit runs there")
	if got := image(t, s).Outputs["digest"]; got != want {
		t.Errorf("the digest is %v, on the embedded daemon %v", got, want)
	}
	succeeds(t, s.Destroy("--skip-preview"))
}
