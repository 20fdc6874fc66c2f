//go:build linux

package provider

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Two images share a cache mount. What one saves holds no secret of the other, which has copied it there.
func TestCacheMountsHoldNoSecretOfAnotherImage(t *testing.T) {
	const given, sourced = "canary-that-the-program-gives", "canary-that-the-environment-has"
	t.Setenv("CANARY", sourced)
	m := newMountedImage(t, &settings{}, ``)
	other := m.cachedImage
	other.inputs = `"push": false, "secrets": {"given": "` + given + `"}, "secretSources": {"own": {"env": "CANARY"}}`
	if _, err := other.createWith(t, `FROM `+m.base+`
RUN --mount=type=secret,id=given --mount=type=secret,id=own \
    --mount=type=cache,target=/c,id=`+strings.ReplaceAll(m.id, " ", "-")+` cp /run/secrets/* /c
`, false); err != nil {
		t.Fatal(err)
	}
	log := m.build(t, false)
	if !strings.Contains(log, "has written a secret into the cache mount "+strings.ReplaceAll(m.id, " ", "-")) ||
		strings.Contains(log, given) || strings.Contains(log, sourced) {
		t.Errorf("logged %s", log)
	}
	packed := m.storedLayer(t)
	if !bytes.Contains(packed, []byte("lines")) || bytes.Contains(packed, []byte("canary")) {
		t.Errorf("saved with %d secrets", bytes.Count(packed, []byte("canary")))
	}
}

// storedLayer returns the layer of the one mount that is stored.
func (m *mountedImage) storedLayer(t *testing.T) []byte {
	t.Helper()
	tag, err := name.NewTag(m.mounts.Host() + "/mounts:" + m.storedTags(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(tag, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	packed, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// An image that need not be built may have copied its secrets into a mount in an earlier update, with the inputs of
// that time.
func TestCheckKeepsSecrets(t *testing.T) {
	t.Parallel()
	s := &settings{}
	w := dial(t, newProvider(s), `{}`)
	for range 2 {
		_, err := w.Check(t.Context(), &pulumirpc.CheckRequest{
			Urn:  string(urn),
			Olds: marshalProperties(t, props(t, `{"secrets": {"a": "old-value", "b": "same-value"}}`)),
			News: marshalProperties(t, props(t, `{"secrets": {"a": "new-value", "b": "same-value"}}`)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got := bytes.Join(s.secrets.all(), []byte(" "))
	for _, want := range []string{"old-value", "new-value", "same-value"} {
		if bytes.Count(got, []byte(want)) != 1 {
			t.Errorf("got %s", got)
		}
	}
}
