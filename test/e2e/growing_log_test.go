//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A log that a program keeps writing fails the update. The error names the line for .dockerignore, and with that line
// the update succeeds.
func TestGrowingLog(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n",
		map[string]string{
			"Dockerfile": "FROM scratch\nCOPY . /app\n", "logs/app.log": "begun\n",
		}))
	log, err := os.OpenFile(filepath.Join(s.Dir, "logs/app.log"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	written := make(chan error)
	stop := make(chan bool)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var err error
		for err == nil {
			select {
			case <-tick.C:
				_, err = log.WriteString("a line\n")
			case <-stop:
				written <- log.Close()
				return
			}
		}
		written <- err
	}()
	fails(t, s.Up("--skip-preview"), "logs/app.log", "changed",
		"If a program keeps writing to it, as to a log, add the line logs/app.log to .dockerignore; otherwise run "+
			"pulumi up again")
	must(t, s.Write(".dockerignore", "logs/app.log\n"))
	succeeds(t, s.Up("--skip-preview"), "+ 1 created")
	close(stop)
	must(t, <-written)
}
