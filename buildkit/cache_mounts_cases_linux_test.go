package buildkit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// threeFiles is a Dockerfile that fills a mount with files of 1 MB, each older than the one before.
const threeFiles = `FROM BASE
ARG TEST STEP
RUN --mount=type=cache,target=/c,id=$TEST for i in 1 2 3; do \
    head -c 1000000 /dev/zero >/c/$STEP-$i && touch -d "200$i-01-01 00:00:00" /c/$STEP-$i; done`

// packedNames returns the names of the files in a stored mount.
func packedNames(t *testing.T, repository string) string {
	t.Helper()
	tags := storedMounts(t, repository)
	if len(tags) != 1 {
		t.Fatalf("got the tags %v", tags)
	}
	ref, err := name.NewTag(repository + ":" + tags[0])
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(bytes.NewReader(filesOfImage(t, image)["content.tar"])); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			names = append(names, h.Name)
		}
	}
}

// Two builders that save at once leave the whole cache of one, although their steps have different platforms: the mount
// is the same. The oldest file exceeds the size, and stays behind.
func TestTwoBuildersSaveAtOnce(t *testing.T) {
	t.Parallel()
	repository := registrytest.New(t).Host() + "/mounts"
	var group sync.WaitGroup
	saved := make([][]buildkit.MountResult, 2)
	for i, address := range []string{shared.Endpoint(t), startSecondEndpoint(t)} {
		b := newMountBuild(t, address, threeFiles, repository)
		b.plan.Platforms = []string{[]string{"linux/amd64", "linux/arm64"}[i]}
		b.access.CacheMounts.MaxSize = 2_000_000
		group.Go(func() { _, saved[i] = b.run(t, string(rune('a'+i)), true) })
	}
	group.Wait()
	for _, results := range saved {
		if len(results) != 1 || results[0].Err != nil || !results[0].Done || results[0].LeftOut != 1 ||
			results[0].LeftOutBytes != 1_000_000 || results[0].Bytes != 2_000_000 {
			t.Errorf("got %+v", results)
		}
	}
	if got := packedNames(t, repository); got != "a-2 a-3" && got != "b-2 b-3" {
		t.Errorf("the cache has %s", got)
	}
}

// A build warns of a mount that another build holds, and does not replace what is stored of it.
func TestAnotherBuildHoldsAMount(t *testing.T) {
	t.Parallel()
	repository := registrytest.New(t).Host() + "/mounts"
	locked := strings.ReplaceAll(threeFiles, "target=/c", "target=/c,sharing=locked")
	b := newMountBuild(t, shared.Endpoint(t), locked, repository)
	b.run(t, "a", true)
	holder := newMountBuild(t, shared.Endpoint(t), strings.ReplaceAll(locked, "for i", "sleep 15; for i"), repository)
	holder.plan.BuildArgs["STEP"], holder.access.CacheMounts = "b", nil
	in, err := inputs.Load(t.Context(), holder.plan)
	if err != nil {
		t.Fatal(err)
	}
	holds, done := make(chan struct{}), make(chan error, 1)
	first := sync.OnceFunc(func() { close(holds) })
	go func() {
		_, err := buildkit.Solve(t.Context(), holder.c, holder.plan, in, holder.access, func(e buildkit.Event) {
			if e.Kind == buildkit.Started && strings.Contains(e.Step.Command, "sleep 15") {
				first()
			}
		})
		done <- err
	}()
	select {
	case <-holds:
	case err := <-done:
		t.Fatal(err)
	}
	b = newMountBuild(t, shared.Endpoint(t), locked, repository)
	b.access.CacheMounts.Limit = 10 * time.Second // half of it is for the mount
	_, saved := b.run(t, "c", true)
	if len(b.results) != 1 || !errors.As(b.results[0].Err, new(*buildkit.HeldMountError)) {
		t.Errorf("restored %+v", b.results)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := packedNames(t, repository); doneNames(t, saved) != "" || got != "a-1 a-2 a-3" {
		t.Errorf("saved %+v, the cache has %s", saved, got)
	}
}

// A mount is packed again if another build was given a secret meanwhile. Files with it stay behind. A mount that had no
// quiet moment is not pushed.
func TestANewSecretWhileAMountIsSaved(t *testing.T) {
	t.Parallel()
	repository := registrytest.New(t).Host() + "/mounts"
	b := newMountBuild(t, shared.Endpoint(t), threeFiles, repository)
	var given [][]byte
	b.access.CacheMounts.Secrets = func() [][]byte {
		given = append(given, fmt.Appendf(nil, "secret %d", len(given)))
		return given
	}
	_, results := b.run(t, "a", true)
	if len(results) != 1 || !errors.Is(results[0].Err, buildkit.ErrNewSecrets) || results[0].Done {
		t.Errorf("new secrets all the time: got %+v", results)
	}
	given = nil
	b.access.CacheMounts.Secrets = func() (before [][]byte) {
		before, given = given, [][]byte{make([]byte, 100)} // the files have nothing but zeros
		return before
	}
	_, results = b.run(t, "a", true)
	if len(results) != 1 || results[0].Err != nil || !results[0].Done || len(results[0].WithSecret) != 3 {
		t.Errorf("one new secret: got %+v", results)
	}
	if got := packedNames(t, repository); got != "" {
		t.Errorf("the cache has %s", got)
	}
}

// A person who cancels while a mount is saved waits 5 s at most. The tag is not written, and the next build saves it.
func TestCancelWhileAMountIsSaved(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	reached := make(chan struct{})
	first := sync.OnceFunc(func() { close(reached) })
	r.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: "/mounts/", Times: 1,
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			first()
			registrytest.Stall(w, req, next)
		},
	})
	b := newMountBuild(t, shared.Endpoint(t), threeFiles, r.Host()+"/mounts")
	b.run(t, "a", false)
	in, err := inputs.Load(t.Context(), b.plan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	canceled := make(chan time.Time, 1)
	go func() {
		<-reached
		canceled <- time.Now()
		cancel()
	}()
	results, err := buildkit.SaveMounts(ctx, b.plan, in, b.access, b.report)
	if took := time.Since(<-canceled); took > 5*time.Second {
		t.Errorf("it ended after %s", took)
	}
	if err == nil && (len(results) != 1 || results[0].Done) {
		t.Errorf("got %+v", results)
	}
	if _, results = b.run(t, "a", true); doneNames(t, results) != t.Name() {
		t.Errorf("the next build: %+v", results)
	}
	if got := packedNames(t, r.Host()+"/mounts"); got != "a-1 a-2 a-3" {
		t.Errorf("the cache has %s", got)
	}
}
