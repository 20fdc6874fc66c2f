// Package stack runs Pulumi programs with the real CLI, plugin, daemon and registry, for the demo and the end-to-end
// tests. Each run has its own folders and environment. The package needs Linux, because it finds what a run left behind
// through /proc.
package stack
