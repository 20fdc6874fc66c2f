// Package dockerfile runs BuildKit's Dockerfile frontend within a budget of memory and time.
//
// The frontend runs on the machine of the user, in Check too, on a text that a stranger may have written. 429 bytes are
// enough to make it ask for 256 GB: ENV A=$A$A, 34 times. A process cannot take memory back from one of its goroutines,
// so the work is done in one of two places:
//
//   - In this process, when a bound that is computed from the text alone says that the work is small (bound.go). It is
//     for nearly every Dockerfile, and the bound costs a tenth of the run. A base image that adds more to the text than
//     the bound assumes ends the run (base.go).
//   - Else in a child process, the same program under another argument. The child watches its own heap and its CPU
//     time, and exits when one of them passes its limit (child.go, watch.go). It reaches nothing but the gateway of its
//     parent, over its stdin and stdout, in the protocol of BuildKit's frontend images (bridge.go). It starts in about
//     50 ms.
//
// The soundness of the bound is tested by fuzzing: whatever has a small bound has to take little memory and time.
package dockerfile
