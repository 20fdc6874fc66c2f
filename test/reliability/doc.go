// Package reliability meets every single failure. It counts what one command of Pulumi asks of a registry, of a daemon
// and of the disk, and repeats the command with the i-th of these failing, for each i. After each it judges the tags,
// the state, what is left on the machine, the error, and the next command.
//
// docs/reliability.md says what is promised and how to run it.
package reliability
