//go:build linux

package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// checkRole is the role of a process that checks a database.
const checkRole = "daemon-check"

// waitWhileHeld makes the check of a database take long: it waits while holdCheck's file is beside the database.
func waitWhileHeld(database string) {
	for range 2 * 60 * 20 {
		if _, err := os.Lstat(database + ".hold"); err != nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

// newReportedFolder returns a daemon's folder with a sound state that a build has reported damaged. The check of the
// held database takes until release is called.
func newReportedFolder(t *testing.T, held string) (dir string, release func()) {
	t.Helper()
	dir = newFolderWith(t, newState(t))
	hold := filepath.Join(dir, "root", held+".hold")
	must(t, os.WriteFile(dir+"/damaged", nil, 0o600), os.WriteFile(hold, nil, 0o600))
	return dir, func() { _ = os.Remove(hold) }
}

// checkProcess waits for the check of a database below dir, and returns its process ID.
func checkProcess(t *testing.T, dir string) (pid int) {
	t.Helper()
	eventually(t, patience, "a database is checked", func() bool {
		for _, p := range processes(checkRole + " " + dir) {
			pid = p.pid
		}
		return pid != 0
	})
	return pid
}

// acquired is what daemon.Acquire returned, with all lines for the user.
type acquired struct {
	lease *daemon.Lease
	err   error
	lines string
}

// acquireMeanwhile calls daemon.Acquire in a goroutine.
func acquireMeanwhile(t *testing.T, o daemon.Options) <-chan acquired {
	t.Helper()
	result := make(chan acquired, 1)
	go func() {
		var a acquired
		o.Note = func(line string) { a.lines += line + "\n" }
		a.lease, a.err = daemon.Acquire(t.Context(), o)
		result <- a
	}()
	return result
}

// wantFiles fails the test unless the files of dir exist, or do not.
func wantFiles(t *testing.T, dir string, want map[string]bool) {
	t.Helper()
	for name, exists := range want {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != exists {
			t.Errorf("%s exists: %t, want %t", name, err == nil, exists)
		}
	}
}

// The check of a database that BuildKit makes again takes no time from the check of the others.
func TestDamageIsFoundBeforeALongCheck(t *testing.T) {
	t.Parallel()
	dir, release := newReportedFolder(t, "cache.db")
	defer release()
	must(t, garble(filepath.Join(dir, "root", worker, "containerdmeta.db")))
	_, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	wantTexts(t, strings.Join(lines, "\n"), lost+"containerdmeta.db: invalid database")
	wantFiles(t, dir, map[string]bool{"damaged": false, "unchecked": false})
}

// A report of damage stays if a database cannot be checked. Clients wait for the check longer than for a daemon, and
// use the daemon afterwards. The next keeper checks again.
func TestReportStaysUntilTheStateIsChecked(t *testing.T) {
	t.Parallel()
	dir, release := newReportedFolder(t, "cache.db")
	defer release()
	options := daemon.Options{Dir: dir, Idle: time.Second, Limit: 6 * time.Second}
	result := acquireMeanwhile(t, options)
	pid := checkProcess(t, dir+"/root/cache.db")
	<-time.After(options.Limit + 2*time.Second)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	first := <-result
	must(t, first.err)
	wantTexts(t, first.lines,
		"checking the build cache in "+dir+" because a build met damage in it: this takes a minute at most",
		"a build met damage in the build cache in "+dir+", and it could not be checked (cache.db: signal: killed)",
		"If builds fail, remove "+dir+"/root while no build runs")
	wantFiles(t, dir, map[string]bool{"damaged": false, "unchecked": true, "root-damaged": false})
	mustRun(t, first.lease.Endpoint(), "true")
	second, lines := acquire(t, options)
	if second.Endpoint() != first.lease.Endpoint() || lines != nil {
		t.Errorf("a further client has %s: %q", second.Endpoint(), lines)
	}
	release()
	must(t, first.lease.Release(), second.Release())
	wantGone(t, dir)
	acquire(t, options)
	wantFiles(t, dir, map[string]bool{"damaged": false, "unchecked": false, "root-damaged": false})
}

// A signal ends the check at once. The next keeper has the report.
func TestSignalDuringACheck(t *testing.T) {
	t.Parallel()
	dir, release := newReportedFolder(t, worker+"metadata_v2.db")
	defer release()
	result := acquireMeanwhile(t, daemon.Options{Dir: dir, Idle: time.Second})
	checkProcess(t, dir)
	keeper, _ := runningProcesses(t, dir)
	begun := time.Now()
	must(t, syscall.Kill(keeper, syscall.SIGTERM))
	const said = "a signal came while the build cache was checked"
	if a := <-result; a.err == nil || !strings.Contains(a.err.Error(), said) {
		t.Errorf("got %v", a.err)
	}
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("the keeper stopped after %s", took)
	}
	wantGone(t, dir)
	wantFiles(t, dir, map[string]bool{"damaged": true, "root": true, "root-damaged": false})
	release()
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
	wantFiles(t, dir, map[string]bool{"damaged": false, "unchecked": false, "root-damaged": false})
}
