package provider

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// missingRepository is the answer of Amazon ECR for a missing repository, and its remedy.
const missingRepository = "The repository with name 'nowhere' does not exist in the registry with id '123456789012'; " +
	"create it with aws.ecr.Repository, or correct the account and the region in its name"

// A missing repository is reported before the build if the credentials allow to ask, and otherwise at the push, in
// whatever words the registry uses.
func TestAMissingRepository(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meet func(*testing.T, faultyRegistry)
		want string
	}{
		"asked": {func(*testing.T, faultyRegistry) {}, "repository HOST/nowhere: AWS: " + missingRepository},
		"not found": {
			deny("ecr:DescribeRepositories"), "pushing to HOST/nowhere: no such repository: " + missingRepository,
		},
		"cut off": {
			func(t *testing.T, f faultyRegistry) { deny("ecr:DescribeRepositories")(t, f); f.CutOffMissing() },
			"pushing to HOST/nowhere: no such repository: ",
		},
		"made by it": {func(_ *testing.T, f faultyRegistry) { f.CreateOnPush("ROOT") }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaultyRegistryWithin(t,
				20*time.Second) // BuildKit waits up to 4 s before it tries a cut connection again
			test.meet(t, f)
			_, err := f.apply(t, "FROM scratch", f.Host()+"/nowhere:1")
			if got := fmt.Sprint(err); test.want != "" &&
				!strings.Contains(got, strings.ReplaceAll(test.want, "HOST", f.Host())) ||
				test.want == "" && err != nil {
				t.Errorf("got %v", err)
			}
			if built := strings.Contains(f.logText(), "exporting to image"); built == (name == "asked") {
				t.Errorf("built: %t\n%s", built, f.logText())
			}
		})
	}
}

// faultsBesideThePush are faults of clocks, permissions and base images, with the text of the error.
var faultsBesideThePush = map[string]struct {
	meet func(*testing.T, faultyRegistry) (dockerfile string)
	want []string
}{
	"the clock": {func(_ *testing.T, f faultyRegistry) string {
		f.Inject(registrytest.Rule{
			Operation: "GetAuthorizationToken", Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"__type":"InvalidSignatureException","message":"Signature expired: `+
					`20261120T101010Z is now earlier than 20261120T102010Z"}`)
			},
		})
		return "FROM scratch"
	}, []string{
		"Signature expired: 20261120T101010Z is now earlier than 20261120T102010Z; set this machine's clock, which " +
			"is 25 minutes behind that of AWS",
	}},
	"layers of a base that may not be mounted": {func(t *testing.T, f faultyRegistry) string {
		f.Repository("base", "")
		f.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
		f.Wrap(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.Method == http.MethodPost && req.URL.Path != "/" { // not even the bytes
					registrytest.Refuse(w, http.StatusForbidden, "DENIED", "User: arn:aws:iam::1:user/ci is not "+
						"authorized to perform: ecr:GetDownloadUrlForLayer on resource: base")
					return
				}
				next.ServeHTTP(w, req)
			})
		})
		return "FROM " + f.Host() + "/base:1"
	}, []string{
		"pushing to HOST/app: 403 denied: ", "allow ecr:GetDownloadUrlForLayer in the IAM policy of that user",
	}},
	"a busy registry of a base": {func(t *testing.T, _ faultyRegistry) string {
		busy := registrytest.New(t)
		busy.Inject(registrytest.Rule{Path: "/v2/base/", Fault: tooManyRequests})
		return "FROM " + busy.Host() + "/base:1"
	}, []string{
		"429 Too Many Requests",
		"limits how often images are pulled: log in to it (docker login, or registries), or name a mirror of it, " +
			"such as a pull-through cache of Amazon ECR: in mirrors of the provider",
	}},
	"a base for another platform": {func(t *testing.T, _ faultyRegistry) string {
		other := registrytest.New(t)
		other.Push(t, "base:1", registrytest.Index(t, "linux/arm64", "linux/s390x"))
		return "FROM " + other.Host() + "/base:1"
	}, []string{
		"/base:1 for linux/amd64: no match for platform in manifest",
		"/base:1 has no image for linux/amd64, only for linux/arm64, linux/s390x. Take a base image that has it",
	}},
	"a base that is not there": {
		func(t *testing.T, _ faultyRegistry) string { return "FROM " + registrytest.New(t).Host() + "/base:1" },
		[]string{"base image 127.0.0.1:", "/base:1: not found", "correct its name or its tag, or push it first"},
	},
	"all privileges": {func(*testing.T, faultyRegistry) string {
		return "FROM scratch\nCOPY <<EOF /x\nx\nEOF\nRUN --security=insecure x"
	},
		[]string{"security.insecure is not allowed", "take --security=insecure out of its RUN"}},
	"a dead registry of a base": {func(*testing.T, faultyRegistry) string { return "FROM localhost:1/base" },
		[]string{
			"localhost:1 does not answer: ", "connection refused",
			"check the name of the base image, and that the builder reaches its registry",
		}},
}

// Faults of clocks, permissions and base images have their own errors.
func TestFaultsBesideThePush(t *testing.T) {
	t.Parallel()
	for name, test := range faultsBesideThePush {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaultyRegistry(t)
			dockerfile := test.meet(t, f)
			asked := len(f.Requests())
			out, err := f.apply(t, dockerfile, f.Host()+"/app:1")
			f.checkResult(t, name, out, err, test.want)
			if wrote := f.Requests()[asked:]; strings.HasPrefix(name, "a ") &&
				slices.ContainsFunc(wrote, func(r registrytest.Request) bool {
					return r.Path != "/" && r.Method != http.MethodGet && r.Method != http.MethodHead
				}) {
				t.Errorf("wrote %v", wrote)
			}
		})
	}
}

// One of two registries refuses its tag. The state has the tag that moved, the error names the other, and the next
// update moves only that one.
func TestOneOfTwoRegistriesRefuses(t *testing.T) {
	t.Parallel()
	f, other := newFaultyRegistry(t), registrytest.New(t)
	other.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: byTag, Times: 2,
		Fault: registrytest.Status(http.StatusForbidden, "DENIED", "not here", ""),
	})
	_, err := f.apply(t, "FROM scratch", f.Host()+"/app:1", other.Host()+"/app:1")
	if err == nil || !strings.Contains(err.Error(), "tagging "+other.Host()+"/app:1: 403 denied: not here") ||
		strings.Contains(err.Error(), "tagging "+f.Host()) {
		t.Fatal(err)
	}
	if f.Tags("app")["1"] == f.old {
		t.Error("the first registry's tag has not moved")
	}
	asked := len(f.Requests())
	if _, err := f.apply(t, "FROM scratch", f.Host()+"/app:1", other.Host()+"/app:1"); err != nil {
		t.Error(err)
	}
	for _, r := range f.Requests()[asked:] {
		if r.Method == http.MethodPut {
			t.Errorf("the next one did again %s", r.Path)
		}
	}
}

// ecrActions are the actions that the policy of an Amazon ECR can allow.
var ecrActions = []string{
	"GetAuthorizationToken", "BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "InitiateLayerUpload",
	"UploadLayerPart", "CompleteLayerUpload",
	"BatchGetImage", "PutImage", "ListImages", "DescribeRepositories", "DescribeRepositoryCreationTemplates",
	"DescribeImages", "BatchDeleteImage", "CreateRepository",
}

// The policy in docs/ecr.md is enough. Without one of its actions, the error names that action.
func TestTheDocumentedPolicy(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/ecr.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("A push needs these actions and no others:"))
	policy, _, _ := bytes.Cut(text, []byte("`ecr:BatchGetImage` and"))
	allowed := func(action string) bool { return bytes.Contains(policy, []byte("\"ecr:"+action+"\"")) }
	tests := map[string]string{"all": ""}
	for _, action := range ecrActions {
		// Amazon's registry asks for UploadLayerPart, this one needs no second request.
		if allowed(action) && action != "UploadLayerPart" {
			tests["without "+action] = action
		}
	}
	for name, missing := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaultyRegistry(t)
			for _, action := range ecrActions {
				if !allowed(action) || action == missing {
					f.Deny("ecr:" + action)
				}
			}
			_, err := f.apply(t, "FROM scratch", f.Host()+"/app:1")
			if got := fmt.Sprint(err); missing == "" && err != nil ||
				missing != "" && !strings.Contains(got, "ecr:"+missing) {
				t.Errorf("got %v", err)
			}
		})
	}
}
