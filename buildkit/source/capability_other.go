//go:build !linux

package source

import "os"

const capabilityXattr = "security.capability"

// capability is nil: only Linux has file capabilities.
func capability(*os.File) ([]byte, error) { return nil, nil }
