package buildkit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// mountCanary is a secret that no stored mount may hold.
const mountCanary = "canary-secret-of-a-mount"

// mountKinds is a Dockerfile with every kind of cache mount. A step writes what it sees into the image, and the first
// time fills the mounts.
const mountKinds = `FROM BASE AS base
FROM scratch AS seed
COPY --from=base /bin/busybox /start/kept
COPY --from=base /bin/busybox /start/d/gone
FROM base AS ran
RUN echo a stage that runs steps
FROM base
ARG TEST NAME=named STEP
RUN --mount=type=cache,target=/shared --mount=type=secret,id=token,target=/shared/token \
    --mount=type=cache,target=/locked,sharing=locked --mount=type=cache,target=/private,sharing=private \
    --mount=type=cache,target=/from,from=seed,source=/start --mount=type=cache,target=/owned,uid=1234,gid=77,mode=0750 \
    --mount=type=cache,target=/named,id=$NAME-cache --mount=type=cache,target=/leak \
    --mount=type=cache,target=/ran,from=ran \
    set -e; mkdir /seen; for m in shared locked private from owned named; do \
      (cd /$m; find . ! -name token | sort | while read f; do stat -c '%n %F %a %u:%g %s %y %N' "$f"; \
      if [ -f "$f" ] && [ ! -L "$f" ]; then md5sum "$f"; fi; done) >/seen/$m; done; ls /leak >/seen/leak; \
    if [ "$STEP" = 1 ]; then for m in shared locked private from owned named; do cd /$m; \
      echo $TEST >.wh.content; mkdir -p sub/empty; echo deep >sub/deep; ln -s ../nowhere sub/link; ln sub/deep hard; \
      chown 5:6 sub/deep; chmod 4755 sub/deep; touch -d '2001-02-03 04:05:06' sub; done; rm -r /from/d; \
      cp /shared/token /leak/copied; echo harmless >/leak/other; fi`

// mountBuild is a build whose cache mounts travel, on one daemon.
type mountBuild struct {
	*stepBuilder
	plan    inputs.Plan
	access  buildkit.Access
	results []buildkit.MountResult // of the last solve
}

// newMountBuild returns a build on a daemon that keeps its mounts in a repository.
func newMountBuild(t *testing.T, address, dockerfile, repository string) *mountBuild {
	t.Helper()
	s := newStepBuilder(t)
	c, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b := &mountBuild{stepBuilder: &stepBuilder{testBuilder: &testBuilder{c: c, repository: s.repository}, base: s.base}}
	b.plan = inlinePlan(t.TempDir(), strings.ReplaceAll(dockerfile, "BASE", s.base))
	b.plan.Repositories = []string{s.repository}
	b.plan.BuildArgs = map[string]string{"TEST": t.Name()}
	b.access = buildkit.Access{
		Credentials: noCredentials,
		Secrets: map[string]buildkit.Secret{
			"token": func(context.Context) ([]byte, error) { return []byte(mountCanary + "\n"), nil },
		},
		CacheMounts: &buildkit.CacheMounts{
			Repository: repository, MaxSize: 1 << 30, Limit: time.Minute,
			Find: findMount(repository), Helper: mountHelper,
			Dial:   func(ctx context.Context) (*client.Client, error) { return dial(ctx, address) },
			Report: func(r buildkit.MountResult) { b.results = append(b.results, r) },
		},
	}
	return b
}

// mountHelper reads the program from bin/.
func mountHelper(context.Context, string) ([]byte, error) {
	return os.ReadFile(filepath.Join("..", "bin", folder.Program))
}

// findMount finds mounts as package provider does.
func findMount(repository string) func(context.Context, string) (buildkit.StoredMount, error) {
	return func(ctx context.Context, tag string) (buildkit.StoredMount, error) {
		ref, err := name.NewTag(repository + ":" + tag)
		if err != nil {
			return buildkit.StoredMount{}, err
		}
		image, err := remote.Image(ref, remote.WithContext(ctx))
		var failed *transport.Error
		if errors.As(err, &failed) && failed.StatusCode == http.StatusNotFound {
			return buildkit.StoredMount{}, buildkit.ErrNoStoredMount
		}
		if err != nil {
			return buildkit.StoredMount{}, err
		}
		digest, _ := image.Digest()
		manifest, err := image.Manifest()
		size := int64(0)
		for _, layer := range manifest.Layers {
			size += layer.Size
		}
		return buildkit.StoredMount{
			Digest: digest.String(), Size: size, Layers: len(manifest.Layers), Annotations: manifest.Annotations,
		}, err
	}
}

// run builds once, and saves the mounts.
func (b *mountBuild) run(t *testing.T, step string, save bool) (buildkit.Built, []buildkit.MountResult) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), caseLimit)
	defer stop()
	b.results, b.plan.BuildArgs["STEP"] = nil, step
	in, err := inputs.Load(ctx, b.plan)
	if err != nil {
		t.Fatal(err)
	}
	built, err := buildkit.Solve(ctx, b.c, b.plan, in, b.access, b.report)
	if err != nil {
		t.Fatal(err)
	}
	if !save {
		return built, nil
	}
	saved, err := buildkit.SaveMounts(ctx, b.plan, in, b.access, b.report)
	if err != nil {
		t.Fatal(err)
	}
	return built, saved
}

// seen returns what the step of a build saw in each mount.
func (b *mountBuild) seen(t *testing.T, built buildkit.Built) map[string]string {
	t.Helper()
	found := map[string]string{}
	for path, content := range filesOfImage(t, b.image(t, built)) {
		if dir, file := filepath.Split(path); dir == "seen/" {
			found[file] = string(content)
		}
	}
	return found
}

// filesOfImage returns the regular files of all layers.
func filesOfImage(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for reader := tar.NewReader(content); ; {
			h, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag != tar.TypeReg {
				continue
			}
			if files[h.Name], err = io.ReadAll(reader); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

// storedMounts returns the tags of a repository of mounts, and fails if one holds the canary.
func storedMounts(t *testing.T, repository string) []string {
	t.Helper()
	repo, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(repo, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		image, err := remote.Image(repo.Tag(tag), remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		config, _ := image.RawConfigFile()
		manifest, _ := image.RawManifest()
		for path, content := range filesOfImage(t, image) {
			if bytes.Contains(slices.Concat(content, config, manifest), []byte(mountCanary)) {
				t.Errorf("%s: %s holds the secret", tag, path)
			}
		}
	}
	return tags
}

// doneNames returns the ids of the mounts that were restored or saved, in order.
func doneNames(t *testing.T, results []buildkit.MountResult) string {
	t.Helper()
	var names []string
	for _, r := range results {
		if errors.As(r.Err, new(*buildkit.RunningBaseError)) && r.Name == "/ran" {
			continue
		}
		if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
		if r.Done {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// What a step on a fresh daemon sees in its mounts is what the last step on another daemon left there: paths, content,
// kinds, modes, owners, times and links. A mount that did not change is not saved again, and no secret travels.
func TestCacheMountsTravel(t *testing.T) {
	t.Parallel()
	repository := registrytest.New(t).Host() + "/mounts"
	here := newMountBuild(t, shared.Endpoint(t), mountKinds, repository)
	first, saved := here.run(t, "1", true)
	const all = "/from /leak /locked /owned /private /shared named-cache"
	if got := doneNames(t, saved); got != all {
		t.Errorf("saved %q, want %q", got, all)
	}
	for _, r := range saved {
		if want := r.Name == "/leak"; want != (len(r.WithSecret) == 1) {
			t.Errorf("%s: files with a secret: %v", r.Name, r.WithSecret)
		}
	}
	if tags := storedMounts(t, repository); len(tags) != 7 {
		t.Errorf("got the tags %v", tags)
	}
	second, saved := here.run(t, "2", true)
	if got := doneNames(t, saved); got != "" || len(here.results) != 1 {
		t.Errorf("saved %q again; restored %+v", got, here.results)
	}
	there := newMountBuild(t, startSecondEndpoint(t), mountKinds, repository)
	again, saved := there.run(t, "2", true)
	if got := doneNames(t, there.results); got != all {
		t.Errorf("restored %q, want %q", got, all)
	}
	if got := doneNames(t, saved); got != "/leak" { // it lacks the file with the secret
		t.Errorf("the other daemon saved %q", got)
	}
	want, got := here.seen(t, second), there.seen(t, again)
	if len(want) != 7 || want["shared"] == here.seen(t, first)["shared"] || !strings.Contains(want["from"], "kept") {
		t.Fatalf("the first daemon shows %v", want)
	}
	want["leak"] = "other\n"
	for m := range want {
		if got[m] != want[m] {
			t.Errorf("%s: the other daemon shows\n%s\nwant\n%s", m, got[m], want[m])
		}
	}
	wantNothingOfMounts(t, there.c)
}

// wantNothingOfMounts fails if a daemon still has what steps on mounts have made or pulled. The program stays.
func wantNothingOfMounts(t *testing.T, c *client.Client) {
	t.Helper()
	usage, err := c.DiskUsage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range usage {
		isPulled := strings.Contains(u.Description, "/mounts:")
		isMade := strings.Contains(u.Description, "/"+folder.Program)
		if u.RecordType == client.UsageRecordTypeRegular && (isPulled || isMade) {
			t.Errorf("left on the daemon: %s, %d bytes", u.Description, u.Size)
		}
	}
}
