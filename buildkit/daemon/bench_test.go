//go:build linux

package daemon_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// It runs twenty steps that do nothing, by turns in their own networks and in the network of the machine.
func BenchmarkTwentySteps(b *testing.B) {
	lease, _ := acquire(b, daemon.Options{Dir: newDaemonFolder(b)})
	dir := buildProbe(b, runtime.GOARCH)
	compareNetworks(b, "s", func(network llb.RunOption) float64 {
		steps := probeBase()
		for range 20 {
			steps = steps.Run(llb.Args([]string{"/probe"}), llb.IgnoreCache, network).Root()
		}
		begun := time.Now()
		if output, err := solveProbe(b.Context(), lease.Endpoint(), runtime.GOARCH, dir, steps,
			"network.host"); err != nil {
			b.Fatalf("%v\n%s", err, output)
		}
		return time.Since(begun).Seconds()
	})
}

// A step downloads 500 MB from this machine, by turns through its own network and through the network of the machine.
func BenchmarkDownload(b *testing.B) {
	const size = 500e6
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.CopyN(w, zeros{}, size)
	})}
	b.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	url := fmt.Sprintf("get http://%s:%d/", machineAddress(b), listener.Addr().(*net.TCPAddr).Port)
	took := regexp.MustCompile(`REACHED 200 OK 500000000 bytes in (\d+) ms`)

	lease, _ := acquire(b, daemon.Options{Dir: newDaemonFolder(b)})
	dir := buildProbe(b, runtime.GOARCH)
	compareNetworks(b, "s", func(network llb.RunOption) float64 {
		output, err := probeOn(b.Context(), lease.Endpoint(), runtime.GOARCH, dir, network, url)
		found := took.FindStringSubmatch(output)
		if err != nil || found == nil {
			b.Fatalf("%v\n%s", err, output)
		}
		ms, _ := strconv.ParseFloat(found[1], 64)
		return ms / 1000
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// compareNetworks reports the medians of both and their ratio. The first round of each is not counted.
func compareNetworks(b *testing.B, unit string, measure func(network llb.RunOption) float64) {
	b.Helper()
	own, machine := llb.Network(llb.NetModeSandbox), llb.Network(llb.NetModeHost)
	measure(own)
	measure(machine)
	var owns, machines []float64
	for b.Loop() {
		machines = append(machines, measure(machine))
		owns = append(owns, measure(own))
	}
	slices.Sort(owns)
	slices.Sort(machines)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(owns[len(owns)/2], "own-"+unit)
	b.ReportMetric(machines[len(machines)/2], "machine-"+unit)
	b.ReportMetric(owns[len(owns)/2]/machines[len(machines)/2], "ratio")
}

// Measures Acquire until a daemon of the real plugin answers, in a new folder and in the same folder once more.
func BenchmarkStart(b *testing.B) {
	keeper, err := exec.LookPath("pulumi-resource-buildkit") // a test binary would start faster than the plugin
	if err != nil {
		b.Fatal(err)
	}
	times := map[string][]float64{}
	for b.Loop() {
		dir := newDaemonFolder(b)
		for _, folder := range []string{"new", "known"} {
			begun := time.Now()
			lease, err := daemon.Acquire(b.Context(), daemon.Options{
				Dir: dir, Idle: time.Millisecond, Keeper: []string{keeper},
			})
			if err != nil {
				b.Fatal(err)
			}
			times[folder] = append(times[folder], 1000*time.Since(begun).Seconds())
			if err := lease.Release(); err != nil {
				b.Fatal(err)
			}
			eventually(b, patience, "the daemon has stopped", func() bool { return len(processes(dir)) == 0 })
		}
	}
	b.ReportMetric(0, "ns/op")
	for folder, took := range times {
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2], folder+"-ms")
	}
}
