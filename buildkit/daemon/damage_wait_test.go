//go:build linux

package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// noteOfCheck is the note of a client that waits for the check of dir.
func noteOfCheck(dir string) string {
	return "checking the build cache in " + dir + " because a build met damage in it: this takes a minute at most"
}

// A client of another version waits for the check of a keeper, which takes longer than the client's limit. Then it
// still has the time to start a daemon beside that one.
func TestDaemonBesideAfterALongCheck(t *testing.T) {
	t.Parallel()
	dir, release := newReportedFolder(t, "cache.db")
	defer release()
	other := startClient(t, dir, time.Second, otherVersionPath(t))
	checkProcess(t, dir+"/root/cache.db")
	options := daemon.Options{Dir: dir, Idle: time.Second, Limit: 8 * time.Second}
	result := acquireMeanwhile(t, options)
	<-time.After(options.Limit + 3*time.Second)
	release()
	other.endpoint(t)
	got := <-result
	must(t, got.err)
	defer got.lease.Release()
	wantTexts(t, got.lines, noteOfCheck(dir), "a cache of its own in "+dir+"/beside-")
	mustRun(t, got.lease.Endpoint(), "true")
}

// A keeper outlives the client that started it. The next client lets it end its check, however long that takes, and
// then lets its daemon start.
func TestKeeperIsNotKilledAfterALongCheck(t *testing.T) {
	t.Parallel()
	dir, release := newReportedFolder(t, "cache.db")
	defer release()
	first := startClient(t, dir, time.Second)
	checkProcess(t, dir+"/root/cache.db")
	keeper, _ := runningProcesses(t, dir)
	must(t, first.cmd.Process.Kill())
	options := daemon.Options{Dir: dir, Idle: time.Second, Limit: 15 * time.Second}
	result := acquireMeanwhile(t, options)
	<-time.After(options.Limit/3 + 3*time.Second)
	release()
	got := <-result
	must(t, got.err)
	defer got.lease.Release()
	if now, _ := runningProcesses(t, dir); now != keeper {
		t.Errorf("the keeper was process %d and is process %d", keeper, now)
	}
	wantTexts(t, got.lines, noteOfCheck(dir))
}

// The first check does not finish, and buildkitd does not start with the damage. Clients wait for the second check as
// they do for the first.
func TestClientsWaitForASecondCheck(t *testing.T) {
	t.Parallel()
	const database = worker + "containerdmeta.db"
	dir, release := newReportedFolder(t, database)
	defer release()
	must(t, garble(filepath.Join(dir, "root", database)))
	options := daemon.Options{Dir: dir, Idle: time.Second, Limit: 8 * time.Second}
	result := acquireMeanwhile(t, options)
	first := checkProcess(t, dir+"/root/"+database)
	must(t, syscall.Kill(first, syscall.SIGKILL))
	eventually(t, patience, "the database is checked again", func() bool {
		checks := processes(checkRole + " " + dir + "/root/" + database)
		return len(checks) == 1 && checks[0].pid != first
	})
	<-time.After(options.Limit + 2*time.Second)
	release()
	got := <-result
	must(t, got.err)
	defer got.lease.Release()
	wantTexts(t, got.lines, noteOfCheck(dir), "could not be checked ("+database+": signal: killed)",
		lost+"containerdmeta.db: invalid database")
	mustRun(t, got.lease.Endpoint(), "true")
	wantFiles(t, dir, map[string]bool{"damaged": false, "unchecked": false, "root-damaged": true})
}

// The keeper does not say that it removed a damaged database if that failed.
func TestDamagedDatabaseThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	dir := newFolderWith(t, newState(t))
	database := dir + "/root/cache.db"
	must(t, os.Remove(database), os.MkdirAll(database+"/entry", 0o700), os.WriteFile(dir+"/running", nil, 0o600))
	lease, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second})
	if err == nil {
		t.Fatal(errors.Join(errors.New("a daemon started"), lease.Release()))
	}
	wantTexts(t, err.Error(), database+" is damaged (it is too short): ", "directory not empty")
	if strings.Contains(err.Error(), "so it was removed") {
		t.Errorf("got %v", err)
	}
}
