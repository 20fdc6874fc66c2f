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

// podLosses are the ways to lose a pod, by name: the signal that kubectl gets, whether the pod is gone then, and what
// the error says. There is none if the pod is there again.
var podLosses = map[string]struct {
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
}

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
	settings := &settings{silence: 3 * time.Second, dialLimit: 3 * time.Second}
	r.wire = dial(t, newProvider(settings), `{"host": "`+pod+`"}`)
	for name, c := range podLosses { //nolint:paralleltest // one kubectl
		t.Run(name, func(t *testing.T) {
			r.t, r.step = t, "/busybox sleep 1."+fmt.Sprint(os.Getpid())+fmt.Sprint(int(name[0]))
			r.lose = func() {
				if c.gone {
					_ = os.WriteFile(gone, nil, 0o600)
				}
				for _, p := range r.helpers() {
					_ = syscall.Kill(p.PID, c.signal)
				}
			}
			r.checkLostPod(c.says)
			_ = os.Remove(gone)
			if _, err := r.create(r.stepInputs()); err != nil {
				t.Error(err)
			}
		})
	}
}

// helpers returns the processes that connect to the pod.
func (r *lossRun) helpers() []stack.Proc { return stack.ProcessesWith(r.socket() + " dial-stdio") }

// checkLostPod creates an image whose pod is lost in a step. Without says the update has to succeed.
func (r *lossRun) checkLostPod(says []string) {
	r.t.Helper()
	r.loseAtProcess(true)
	began := time.Now()
	_, err := r.create(r.stepInputs())
	if took := time.Since(began); took > time.Minute {
		r.t.Errorf("it took %s", took)
	}
	if (err == nil) != (len(says) == 0) {
		r.t.Errorf("got %v", err)
	}
	for _, want := range says {
		if err == nil || !strings.Contains(err.Error(), want) {
			r.t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if err := stack.WaitUntil(r.t.Context(), 10*time.Second, func() bool { return len(r.helpers()) == 0 }); err != nil {
		r.t.Errorf("kubectl is left: %v", err)
	}
}
