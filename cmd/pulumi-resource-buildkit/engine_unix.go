//go:build unix

package main

import "os"

// watchEngine returns a function that tells whether the process that started this one still lives. The kernel gives
// an orphan another parent.
func watchEngine() (alive func() bool) {
	engine := os.Getppid()
	return func() bool { return os.Getppid() == engine }
}
