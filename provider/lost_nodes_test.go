package provider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Two of three nodes have ended since they answered. The build on the first one fails. The second one is asked again
// before anything is built there, and the third one builds the image.
func TestAnImageIsBuiltAfterTwoLostNodes(t *testing.T) {
	t.Parallel()
	present := embedded.Endpoint(t)
	s := &settings{dialLimit: time.Second, registry: registry.Options{RetryWaits: []time.Duration{}}}
	gone := []string{"unix:///nowhere/a.sock", "unix:///nowhere/b.sock"}
	for _, name := range gone {
		answer := s.nodes.of(name)
		answer.served, answer.at = candidateWith(name, x86).served, time.Now().Add(-time.Minute)
		answer.until = answer.at.Add(servedLifetime)
	}
	w := dial(t, newProvider(s), fmt.Sprintf(`{"builders": [{"endpoint": %q}, {"endpoint": %q}, {"endpoint": %q}]}`,
		gone[0], gone[1], present))
	origin := registrytest.New(t)
	origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	digest := text((mirroredRegistries{origin: origin}).create(t, w, origin.Host()+"/base:1", false), "digest")
	if digest == "" || !hasRequest(origin, "/v2/app/manifests/1", http.StatusCreated) {
		t.Errorf("the image was not pushed: %q, %v", digest, origin.Requests())
	}
	log := w.logText()
	for _, want := range []string{"; trying once more", gone[0] + " is left out: ", gone[1] + " is left out: "} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log does not say %q once:\n%s", want, log)
		}
	}
}
