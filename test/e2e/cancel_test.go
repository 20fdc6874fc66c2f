//go:build linux

package e2e

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// phases prepares updates that hang in one phase until they are interrupted, by the name of the phase.
var phases = map[string]func(t *testing.T) *phase{
	"hashing": whileHashing,
	"dialing": whileDialing,
	"sending": whileSending,
	"pushing": atRequest("it was pushing layers to HOST/app for [^;]*; a part of the image may have been pushed, "+
		"and no tag moved",
		func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }),
	"verifying": atRequest("it was verifying the image, waiting for HOST to answer GET "+
		"/v2/app/manifests/sha256:[0-9a-f]{12}… for "+
		"[^;]*; the image was pushed and no tag moved",
		func(r *http.Request) bool { return r.Method == http.MethodGet && isDigestRequest(r) }),
	"tagging": atRequest("it was moving tags, waiting for HOST to answer PUT /v2/app/manifests/1 for "+
		"[^;]*; the image was pushed and no tag moved", isTagRequest),
	"base lookup":       whileLookingUpBase,
	"pulling":           whilePulling,
	"credential helper": whileCredentialHelperHangs,
	"rate limited":      whileRateLimited,
}

// Ctrl-C ends an update soon, whatever phase it is in. The error says what the update was doing. The state has no
// resource. No tag has moved: the registry of the phase shows that, or the error says it.
//
// TestCtrlCEndsALongStep covers steps of the Dockerfile.
func TestCtrlCEndsEveryPhase(t *testing.T) {
	t.Parallel()
	for name, prepare := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t)
			s := stack.New(t, stack.Config{
				Bin: shared.Bin, Daemon: shared.Daemon, Idle: 5 * time.Second, Env: c.env,
				Program: project(t, c.properties,
					map[string]string{"Dockerfile": cmp.Or(c.dockerfile, "FROM scratch\nCOPY . /\n")}),
			})
			if c.makeFiles != nil {
				c.makeFiles(t, s.Dir)
			}
			p := s.StartUp("--skip-preview")
			if err := stack.WaitUntil(t.Context(), 2*time.Minute, func() bool { return c.reached(s) }); err != nil {
				t.Fatalf("%v: the update never reached the phase %s", err, name)
			}
			// This comes too late to pass: it only ends a CLI that hangs.
			defer time.AfterFunc(2*endLimit, func() { _ = p.Kill() }).Stop()
			pressed := time.Now()
			if err := p.Interrupt(); err != nil {
				t.Fatal(err)
			}
			result, err := p.Wait()
			if took := time.Since(pressed); err != nil || result.Code <= 0 || took > endLimit {
				t.Errorf("pulumi up exited after %s with exit code %d, %v, want %s at most and a failure:\n%s", took,
					result.Code, err, endLimit, result.All())
			}
			if !regexp.MustCompile(`error: canceled after [^:]*: ` +
				strings.ReplaceAll(c.want, "DIR", regexp.QuoteMeta(s.Dir))).MatchString(result.All()) {
				t.Errorf("the output lacks %q:\n%s", c.want, result.All())
			}
			if left := s.Export(); len(left) != 0 {
				t.Errorf("state: %+v", left)
			}
			if c.registry != nil && slices.ContainsFunc(c.registry.Requests(), func(r registrytest.Request) bool {
				return r.Method == http.MethodPut && strings.HasSuffix(r.Path, "/manifests/1") && r.Status < 300
			}) {
				t.Error("the tag was moved")
			}
		})
	}
}

// phase describes an update that hangs in one phase until it is interrupted.
type phase struct {
	properties string
	dockerfile string   // default: one that copies the context
	env        []string // for the CLI
	// want is a pattern of the error after "canceled after ...: ". DIR stands for the folder of the program.
	want      string
	makeFiles func(t *testing.T, dir string)
	reached   func(s *stack.Test) bool
	registry  *registrytest.Registry
}
