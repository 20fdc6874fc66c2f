//go:build linux

package e2e

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

// onTwoPlatforms are the properties of an image that the builders of a provider share.
const onTwoPlatforms = "context: { location: ./app }\nplatforms: [linux/arm64, linux/amd64]\ntags: [\"REPO:1\"]\n"

// secondNode is a daemon that emulates linux/arm64, which the tests of nodes share.
var secondNode remoteDaemon

// startSecondNode starts it, and returns where it listens.
func startSecondNode(t *testing.T) string {
	t.Helper()
	keepEmulation(t)
	return "unix://" + secondNode.start(t).socket
}

// keepEmulation starts the daemon of the suite, which registers emulation for every daemon of this machine. It holds
// that daemon until the test ends. A BuildKit daemon looks for emulation when it starts.
func keepEmulation(t testing.TB) {
	t.Helper()
	s := open(t, project(t, "platforms: [linux/amd64]\nexports: [{ cacheonly: {} }]\n",
		map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	succeeds(t, s.Preview())
	lock, err := os.Open(filepath.Join(shared.Daemon, "clients.lock"))
	must(t, err)
	t.Cleanup(func() { _ = lock.Close() })
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_SH))
}

// openNodes opens a program whose builders are the embedded daemon and then the daemon second, which builds linux/arm64
// only.
func openNodes(t *testing.T, properties, dockerfile, second string) *stack.Test {
	t.Helper()
	s := open(t, project(t, properties, map[string]string{"app/Dockerfile": dockerfile}))
	cli(t, s, "config", "set-all", "--path", "--plaintext", "buildkit:builders[0].endpoint=local://",
		"--plaintext", "buildkit:builders[1].endpoint="+second,
		"--plaintext", "buildkit:builders[1].platforms[0]=linux/arm64")
	return s
}

// Each platform is built where the program says, and the image is the one that a single builder makes. A preview knows
// its digest.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	const properties = onTwoPlatforms + "sourceDateEpoch: 0\nannotations: { org.opencontainers.image.vendor: me }\n"
	const dockerfile = "FROM BUSYBOX\nARG TARGETARCH\nRUN uname -m >/machine && echo $TARGETARCH >/arch\n"
	second := startSecondNode(t)
	s := openNodes(t, properties, dockerfile, second)
	shares := []string{"building linux/amd64 on the embedded BuildKit daemon, linux/arm64 on " + second +
		": the builders of the provider"}
	succeeds(t, s.Preview(), append(shares, `digest    : "sha256:`)...)
	succeeds(t, s.Up("--skip-preview"), shares...)
	shared := image(t, s).Outputs
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))

	alone := open(t, project(t, properties, map[string]string{"app/Dockerfile": dockerfile}))
	succeeds(t, alone.Up("--skip-preview"))
	if whole := image(t, alone).Outputs; whole["digest"] != shared["digest"] {
		t.Errorf("two nodes make %v, one makes %v", shared, whole)
	}
	succeeds(t, alone.Destroy("--skip-preview"))
}

// A builder that does not answer is left out, unless nobody is left.
func TestNodesThatAreDown(t *testing.T) {
	t.Parallel()
	s := openNodes(t, onTwoPlatforms, "FROM scratch\nCOPY Dockerfile /\n", "unix:///nowhere/b.sock")
	succeeds(t, s.Up("--skip-preview"),
		"unix:///nowhere/b.sock is left out: no BuildKit daemon answers at unix:///nowhere/b.sock",
		"building linux/amd64 and linux/arm64 on the embedded BuildKit daemon")
	cli(t, s, "config", "set", "--path", "buildkit:builders[0].endpoint", "unix:///nowhere/a.sock")
	must(t, s.Write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /a\n"))
	fails(t, s.Up("--skip-preview"), "none of the builders answers", "- no BuildKit daemon answers at "+
		"unix:///nowhere/a.sock", "- no BuildKit daemon answers at unix:///nowhere/b.sock")
	cli(t, s, "config", "set", "--path", "buildkit:builders[0].endpoint", "local://")
	cli(t, s, "config", "set", "--path", "buildkit:builders[0].platforms[0]", "linux/arm64")
	fails(t, s.Up("--skip-preview"), "no builder may build linux/amd64",
		"and may build linux/arm64 only", "Let a builder build linux/amd64")
	succeeds(t, s.Destroy("--skip-preview"))
}

// A step that fails on one node stops the other one, and no tag moves.
func TestAStepFailsOnOneNode(t *testing.T) {
	t.Parallel()
	const dockerfile = "FROM BUSYBOX\nARG TARGETARCH\nRUN if [ $TARGETARCH = arm64 ]; then exit 7; fi; sleep 300\n"
	second := startSecondNode(t)
	s := openNodes(t, onTwoPlatforms, dockerfile, second)
	began := time.Now()
	fails(t, s.Up("--skip-preview"), "on "+second+": linux/arm64: step [2/2]", "exit code 7")
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("the other node went on for %s", took)
	}
	if fetchManifest(t, repository(t)+":1") != nil {
		t.Error("the tag moved")
	}
}

// Nothing is pushed before the test targets of all platforms are built, and no cache mount is saved. Then each mount is
// saved once for each node and platform, and an id that no target has is named once.
func TestATestTargetFailsOnOneNode(t *testing.T) {
	t.Parallel()
	const dockerfile = "FROM BUSYBOX AS test\nARG TARGETARCH\n" +
		"RUN --mount=type=cache,target=/t,id=tests --mount=type=cache,target=/b,id=both echo >/t/a && echo >/b/a && " +
		"if [ $TARGETARCH = arm64 ]; then sleep 3; exit 7; fi\nFROM BUSYBOX\nCOPY Dockerfile /\n" +
		"RUN --mount=type=cache,target=/b,id=both echo >/b/b\n"
	const properties = "testTargets: [test]\ncacheMounts: { ref: REPO/mounts, ids: [tests, both, none] }\n"
	s := openNodes(t, onTwoPlatforms+properties, dockerfile, startSecondNode(t))
	fails(t, s.Up("--skip-preview"), "linux/arm64: step [test 2/2]", "exit code 7")
	_, path, _ := strings.Cut(repository(t), "/")
	if pushed := shared.Registry.Manifests(path); len(pushed) > 0 {
		t.Errorf("to %s was pushed: %v", repository(t), pushed)
	}
	if saved := shared.Registry.Manifests(path + "/mounts"); len(saved) > 0 {
		t.Errorf("mounts were saved: %v", saved)
	}
	program, err := os.ReadFile(filepath.Join(s.Dir, "app/Dockerfile"))
	must(t, err)
	must(t, s.Write("app/Dockerfile", strings.ReplaceAll(string(program), "exit 7", "exit 0")))
	const unknown = `no step mounts a cache with the id "none": there are both, tests. `
	r := s.Up("--skip-preview")
	succeeds(t, r, unknown)
	_, log, _ := strings.Cut(r.Stdout, "Diagnostics:") // lines are shown before, too
	for text, want := range map[string]int{
		"saved the cache mount both": 2, "saved the cache mount tests": 2, unknown: 1,
	} {
		if got := strings.Count(log, text); got != want {
			t.Errorf("%q was logged %d times, want %d:\n%s", text, got, want, log)
		}
	}
	if pushed := shared.Registry.Manifests(path); len(pushed) != 3 {
		t.Errorf("to %s was pushed: %v, want two manifests and an index", repository(t), pushed)
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// A node that ends or freezes while it builds is replaced by one that can do its work, once.
func TestANodeIsLost(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "frozen": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepEmulation(t)
			second := remoteDaemon{apart: true}
			defer func() { must(t, second.end()) }()
			step := fmt.Sprintf("sleep 7.%d", signal)
			dockerfile := "FROM BUSYBOX\nARG TARGETARCH\nRUN if [ $TARGETARCH = arm64 ]; then " + step + "; fi\n"
			s := openNodes(t, onTwoPlatforms, dockerfile, "unix://"+second.start(t).socket)
			up := s.StartUp("--skip-preview")
			runs := func() bool { return len(stack.ProcessesWith(step)) > 0 }
			must(t, stack.WaitUntil(t.Context(), time.Minute, runs))
			for _, p := range stack.ProcessesWith("buildkitd --root " + second.dir) {
				_ = syscall.Kill(p.PID, signal) // one that has ended is as good
			}
			lost := time.Now()
			r, err := up.Wait()
			must(t, err)
			succeeds(t, r, "trying once more", "is left out: no BuildKit daemon answers")
			if took := time.Since(lost); took > 2*time.Minute {
				t.Errorf("the update took %s more", took)
			}
			if manifest := fetchManifest(t, repository(t)+":1"); manifest == nil {
				t.Error("the tag did not move")
			}
			succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

// A node that has answered and ends before the next image of the run is left out, and the image is built.
func TestANodeEndsBetweenTwoImages(t *testing.T) {
	t.Parallel()
	keepEmulation(t)
	second := remoteDaemon{apart: true}
	defer func() { must(t, second.end()) }()
	image := func(name, after string) string {
		return "  " + name + ":\n    type: buildkit:Image\n    properties: { context: { location: app }, platforms: " +
			"[linux/amd64, linux/arm64], tags: [\"REPO:" + name + "\"] }\n    options: { dependsOn: [" + after + "] }\n"
	}
	const wait = "    type: buildkit:Image\n    properties: { context: { location: wait }, platforms: [linux/amd64], " +
		"exports: [{ cacheonly: {} }] }\n    options: { dependsOn: [\"${one}\"] }\n"
	s := open(t, program(t, "resources:\n"+image("one", "")+"  between:\n"+wait+image("two", `"${between}"`),
		map[string]string{
			"app/Dockerfile":  "FROM scratch\nCOPY Dockerfile /\n",
			"wait/Dockerfile": "FROM BUSYBOX\nRUN sleep 6.66\n",
		}))
	cli(t, s, "config", "set-all", "--path", "--plaintext", "buildkit:builders[0].endpoint=local://",
		"--plaintext", "buildkit:builders[1].endpoint=unix://"+second.start(t).socket,
		"--plaintext", "buildkit:builders[1].platforms[0]=linux/arm64")
	up := s.StartUp("--skip-preview")
	runs := func() bool { return len(stack.ProcessesWith("sleep 6.66")) > 0 }
	must(t, stack.WaitUntil(t.Context(), time.Minute, runs))
	must(t, second.end())
	r, err := up.Wait()
	must(t, err)
	succeeds(t, r, "trying once more", "is left out: no BuildKit daemon answers", "+ 4 created")
	succeeds(t, s.Destroy("--skip-preview"))
}

// Each node keeps a cache of its own, so that nothing is overwritten. The caches of nodes serve a single builder, and
// that of a single builder serves nodes.
func TestCachesOfNodes(t *testing.T) {
	t.Parallel()
	keepEmulation(t)
	const dockerfile = "FROM BUSYBOX\nARG TARGETARCH\nRUN cat /proc/sys/kernel/random/uuid >/$TARGETARCH\n"
	const caches = "cacheFrom: [{ registry: { ref: \"REPO:CACHE\" } }]\n" +
		"cacheTo: [{ registry: { ref: \"REPO:CACHE\", mode: max } }]\n"
	var daemons [7]remoteDaemon
	at := func(i int) string { return "unix://" + daemons[i].start(t).socket }
	for i := range daemons {
		defer func() { must(t, daemons[i].end()) }()
	}
	apply := func(cache string, builders ...string) (digest any, output string) {
		properties := strings.ReplaceAll(onTwoPlatforms+caches, "CACHE", cache)
		s := open(t, project(t, properties, map[string]string{"app/Dockerfile": dockerfile}))
		args := []string{"config", "set-all", "--path"}
		for i, b := range builders {
			args = append(args, "--plaintext", fmt.Sprintf("buildkit:builders[%d].endpoint=%s", i, b))
		}
		if len(builders) > 1 {
			args = append(args, "--plaintext", "buildkit:builders[1].platforms[0]=linux/arm64")
		}
		cli(t, s, args...)
		r := s.Up("--skip-preview")
		succeeds(t, r)
		return image(t, s).Outputs["digest"], r.All()
	}
	byNodes, _ := apply("cache", at(0), at(1))
	for _, tag := range []string{"cache-linux-amd64", "cache-linux-arm64"} {
		if fetchManifest(t, repository(t)+":"+tag) == nil {
			t.Errorf("there is no cache %s", tag)
		}
	}
	for name, builders := range map[string][]string{"other nodes": {at(2), at(3)}, "a single builder": {at(4)}} {
		digest, output := apply("cache", builders...)
		if digest != byNodes || strings.Contains(output, "not found") {
			t.Errorf("%s did not use the caches of the nodes: %v, want %v\n%s", name, digest, byNodes, output)
		}
	}
	alone, _ := apply("alone", at(4))
	if digest, output := apply("alone", at(5), at(6)); digest != alone || strings.Contains(output, "not found") {
		t.Errorf("nodes did not use the cache of a single builder: %v, want %v\n%s", digest, alone, output)
	}
}
