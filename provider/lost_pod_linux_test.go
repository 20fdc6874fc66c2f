package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// A pod that is evicted, and a kubectl that hangs, end the update soon. The error names the pod and what kubectl said.
// Nothing of kubectl is left, and the next update succeeds.
func TestAPodIsLost(t *testing.T) {
	const pod = "kube-pod://pod-0?namespace=ci"
	r := &lossRun{t: t, dir: t.TempDir()}
	r.killableDaemon = startKillableDaemon(t)
	gone, bin := filepath.Join(r.killableDaemon.dir, "gone"), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n"+
		"if [ -e %[1]s ]; then echo 'Error from server (NotFound): pods \"pod-0\" not found' >&2; exit 1; fi\n"+
		"exec buildctl --addr unix://%[2]s dial-stdio\n", gone, r.socket())
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	signal := func(signal syscall.Signal) {
		for _, p := range stack.ProcessesWith(r.socket() + " dial-stdio") {
			_ = syscall.Kill(p.PID, signal)
		}
	}
	settings := &settings{silence: 3 * time.Second, dialLimit: 3 * time.Second}
	r.wire = dial(t, newProvider(settings), `{"host": "`+pod+`"}`)
	for name, c := range map[string]struct { //nolint:paralleltest // one kubectl
		signal syscall.Signal
		gone   bool
		says   []string
	}{
		"evicted": {signal: syscall.SIGKILL, gone: true, says: []string{
			"the daemon ended, or the connection to it did: kubectl ended (signal: killed). The pod may have been " +
				"evicted or restarted: look at kubectl --namespace=ci describe pod pod-0; tried once more: ",
			"kubectl ended (exit status 1): Error from server (NotFound): pods",
		}},
		"hanging": {signal: syscall.SIGSTOP, gone: true, says: []string{
			"the daemon has given no sign of life for 3s. The pod may have been evicted", "not found",
		}},
		"restarted": {signal: syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			r.t, r.step = t, "/busybox sleep 1."+fmt.Sprint(os.Getpid())+fmt.Sprint(int(name[0]))
			r.lose = func() {
				if c.gone {
					_ = os.WriteFile(gone, nil, 0o600)
				}
				signal(c.signal)
			}
			r.loseAtProcess(true)
			began := time.Now()
			_, err := r.create(r.stepInputs())
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			if (err == nil) != (len(c.says) == 0) {
				t.Errorf("got %v", err)
			}
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if err := stack.WaitUntil(t.Context(), 10*time.Second, func() bool {
				return len(stack.ProcessesWith(r.socket()+" dial-stdio")) == 0
			}); err != nil {
				t.Errorf("kubectl is left: %v", err)
			}
			_ = os.Remove(gone)
			if _, err := r.create(r.stepInputs()); err != nil {
				t.Error(err)
			}
		})
	}
}
