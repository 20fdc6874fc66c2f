package buildkit

import (
	"fmt"
	"strings"
)

// hints are what to do about errors of which a daemon's text says only what is wrong.
var hints = []struct{ text, hint string }{
	{"no SSH key ", "give the agent or keys with this id in ssh (default, for a mount without one)"},
	{"granting entitlement network.host is not allowed", "start the builder with --allow-insecure-entitlement network.host, or leave network at its default"},
}

func withHint(err error) error {
	for _, h := range hints {
		if strings.Contains(err.Error(), h.text) {
			return fmt.Errorf("%w\n%s", err, h.hint)
		}
	}
	return err
}
