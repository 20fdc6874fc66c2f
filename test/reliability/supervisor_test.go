//go:build linux

package reliability

import "errors"

// supervisor counts the file operations of a plugin, and makes one of them fail.
type supervisor interface {
	point
	Env() []string
	Faults() []string
	Close() error
	bin() string // the folder of the plugin to start
}

// newSupervisor supervises the plugin in the folder programs.
func newSupervisor(string) (supervisor, error) {
	return nil, errors.New("nothing supervises file operations yet")
}
