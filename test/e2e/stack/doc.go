// Package stack runs Pulumi programs with the real CLI, plugin, daemon and registry, each in folders and with an environment of its own,
// for the demo and the end-to-end tests. It needs Linux: it finds what a run left behind through /proc.
package stack
