package provider

import "testing"

// A version that is not known is not called old.
func TestOlderRelease(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"v0.30.0": true, "v0.31.1": true, "v0.31.2-rc1": true, "v0.31.2": false, "v0.33.1": false, "v1.0.0": false,
		"": false, "0.0.0+unknown": false, "v0.0.0+unknown": false,
	} {
		if got := isOlderRelease(version, safeVersion); got != want {
			t.Errorf("%q: got %v", version, got)
		}
	}
}
