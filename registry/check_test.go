package registry_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// checkTagsCase is a case of TestCheckTags.
type checkTagsCase struct {
	mutability string
	exclusions []string
	prepare    func(e *registrytest.ECR)
	digest     string // HELD is the one of the tag
	want       string // of the error; empty is none
}

// checkTagsCases returns the cases of TestCheckTags, by name.
func checkTagsCases(another v1.Image) map[string]checkTagsCase {
	hash, _ := another.Digest()
	return map[string]checkTagsCase{
		"mutable":                {registrytest.Mutable, nil, nil, hash.String(), ""},
		"immutable, same digest": {registrytest.Immutable, nil, nil, "HELD", ""},
		"immutable, another digest": {
			registrytest.Immutable, nil, nil, hash.String(), "it holds HELD, not " + hash.String(),
		},
		"immutable, any digest": {registrytest.Immutable, nil, nil, "", "it holds HELD"},
		"excluded": {
			registrytest.ImmutableWithExclusion, []string{"x*", "re*se-*"}, nil,
			hash.String(), "",
		},
		"not excluded": {
			registrytest.ImmutableWithExclusion,
			[]string{"release", "*-2", "x-release-1", "elease-1"}, nil, "", "it holds HELD",
		},
		"only excluded": {
			registrytest.MutableWithExclusion, []string{"release-*"}, nil, "",
			"it holds HELD",
		},
		"mutable, not excluded": {registrytest.MutableWithExclusion, []string{"v*"}, nil, "", ""},
		"nobody may ask": {
			registrytest.Immutable, nil,
			func(e *registrytest.ECR) { e.Deny("ecr:DescribeRepositories") }, "", "",
		},
		"AWS is silent": {registrytest.Immutable, nil, func(e *registrytest.ECR) {
			e.Inject(registrytest.Rule{Operation: "DescribeRepositories", Fault: registrytest.Reset(0)})
		}, "", ""},
		"the registry is broken": {registrytest.Immutable, nil, func(e *registrytest.ECR) {
			e.Inject(registrytest.Rule{Path: "/manifests/", Fault: registrytest.Status(http.StatusInternalServerError,
				"UNKNOWN", "no", "")})
		}, "", ""},
	}
}

// TestCheckTags holds that CheckTags returns an error for what would fail after the build, and for nothing else.
func TestCheckTags(t *testing.T) {
	t.Parallel()
	image, another := registrytest.Image(t, "linux/amd64"), registrytest.Image(t, "linux/amd64")
	tests := checkTagsCases(another)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", test.mutability, test.exclusions...)
			held := e.Push(t, "app:release-1", image)
			if test.prepare != nil {
				test.prepare(e)
			}
			tags := []registry.Tag{parseTag(t, e.Host()+"/app:release-1"), parseTag(t, e.Host()+"/app:new")}
			err := singleTryClient(amazonKeychain(t, e, "one")).CheckTags(t.Context(), e.Host()+"/app", tags,
				strings.ReplaceAll(test.digest, "HELD", held))
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			expectError(t, err, fault.ErrImmutableTag,
				"tag "+tags[0].String()+": immutable tag: "+strings.ReplaceAll(test.want, "HELD", held)+
					", and its repository does not let it move", fault.TagFixed)
		})
	}
}

// TestCheckTagsOfMissing holds that CheckTags finds a repository missing that a push would not create.
func TestCheckTagsOfMissing(t *testing.T) {
	t.Parallel()
	for template, missing := range map[string]bool{"": true, "team": false, "ROOT": false, "tea": true, "other": true} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.CreateOnPush(template)
			err := singleTryClient(amazonKeychain(t, e, "one")).CheckTags(t.Context(), e.Host()+"/team/app", nil, "")
			if !missing {
				if err != nil {
					t.Error(err)
				}
				return
			}
			expectError(t, err, fault.ErrNoRepository,
				"repository "+e.Host()+"/team/app: AWS: The repository with name "+
					"'team/app' does not exist in the registry with id '123456789012'")
		})
	}
	e := registrytest.NewECR(t)
	e.Deny("ecr:DescribeRepositoryCreationTemplates")
	err := singleTryClient(amazonKeychain(t, e, "one")).CheckTags(t.Context(), e.Host()+"/team/app", nil, "")
	if err != nil {
		t.Errorf("nobody knows whether a push makes it: %v", err)
	}
}

// TestCheckTagsElsewhere holds that CheckTags asks no registry but Amazon ECR.
func TestCheckTagsElsewhere(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	tag := parseTag(t, r.Host()+"/app:1")
	for _, client := range []*registry.Client{anonymousClient(t), registry.New(nil, registry.Options{})} {
		err := client.CheckTags(t.Context(), tag.Repository(), []registry.Tag{tag}, "")
		if err != nil || len(r.Requests()) > 0 {
			t.Error(err, r.Requests())
		}
	}
}

// TestArchivedIsNotThere holds that an archived image is listed and cannot be pulled, and that a push brings it back.
func TestArchivedIsNotThere(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	image := registrytest.Image(t, "linux/amd64")
	digest := e.Push(t, "app:1", image)
	e.Archive("app", digest)
	client := singleTryClient(amazonKeychain(t, e, "one"))
	if found, err := client.Exists(t.Context(), e.Host()+"/app", digest); found || !errors.Is(err, fault.ErrArchived) {
		t.Errorf("%t, %v", found, err)
	}
	_, err := client.Verify(t.Context(), e.Host()+"/app", digest, registry.Expected{})
	if !errors.Is(err, fault.ErrNotFound) {
		t.Error(err)
	}
	e.Push(t, "app:1", image)
	if found, err := client.Exists(t.Context(), e.Host()+"/app", digest); !found || err != nil {
		t.Errorf("pushed again: %t, %v", found, err)
	}
}

// TestRequestsOfATagMove holds that SetTags after Verify, which has read the image, needs HEAD, PUT and one GET to read
// the tag back.
func TestRequestsOfATagMove(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	e.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	digest := e.Push(t, "app", registrytest.Index(t, "linux/amd64", "linux/arm64"))
	client := singleTryClient(amazonKeychain(t, e, "one"))
	_, err := client.Verify(t.Context(), e.Host()+"/app", digest, expectedPlatforms("linux/amd64", "linux/arm64"))
	if err != nil {
		t.Fatal(err)
	}
	before := len(e.Requests())
	tag := parseTag(t, e.Host()+"/app:1")
	if _, err := client.SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, request := range e.Requests()[before:] {
		if request.Path != "/v2/" { // the login for pushing
			got = append(got, request.Method+" "+request.Path)
		}
	}
	want := []string{"HEAD /v2/app/manifests/1", "PUT /v2/app/manifests/1", "GET /v2/app/manifests/1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if asked := e.Calls("GetAuthorizationToken"); asked != 1 {
		t.Errorf("%d tokens", asked)
	}
}
