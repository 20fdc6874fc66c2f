package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// TestParsedDocuments holds that parseDocument refuses what some engines take for an index and others for an image. A
// list without an end costs no memory.
func TestParsedDocuments(t *testing.T) {
	t.Parallel()
	const (
		index, image = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
		one          = `{"digest":"sha256:0","size":1}`
	)
	long := `[` + strings.Repeat("{},", 1<<21) + `{}]`
	tests := map[string]struct{ text, header, want string }{
		"an index":              {`{"mediaType":"` + index + `","manifests":[` + one + `]}`, index, ""},
		"without a type of its": {`{"manifests":[` + one + `]}`, index + "; charset=utf-8", ""},
		"by an odd header":      {`{"mediaType":"` + image + `","config":` + one + `}`, "application/octet-stream", ""},
		"layers beside": {
			`{"mediaType":"` + index + `","manifests":[` + one + `],"layers":[` + one + `]}`,
			index, "both",
		},
		"a config beside":    {`{"manifests":[` + one + `],"config":` + one + `}`, "", "both"},
		"manifests beside":   {`{"mediaType":"` + image + `","manifests":[` + one + `]}`, image, "both"},
		"another header":     {`{"mediaType":"` + index + `","manifests":[]}`, image, "both"},
		"another header too": {`{"mediaType":"` + image + `","config":` + one + `}`, index, "both"},
		"many manifests": {
			`{"mediaType":"` + index + `","manifests":` + long + `}`, index,
			"lists more than 1024 things",
		},
		"many layers": {
			`{"mediaType":"` + image + `","layers":` + long + `}`, image,
			"lists more than 1024 things",
		},
		"no list": {`{"mediaType":"` + index + `","manifests":{}}`, index, "no list"},
		"deep":    {`{"manifests":[` + strings.Repeat(`[`, 1<<20), index, "no manifest"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseDocument(document{raw: []byte(test.text)}, test.header)
			got := fmt.Sprint(err)
			if test.want == "" && err != nil || test.want != "" &&
				(!errors.Is(err, fault.ErrMismatch) || !strings.Contains(got, test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
