package registrytest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// sdk is Amazon's own client.
func sdk(e *registrytest.ECR) *ecr.Client {
	return ecr.New(ecr.Options{
		Region: registrytest.Region, BaseEndpoint: aws.String(e.Endpoint()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})
}

// login is what docker would be given.
func login(t *testing.T, e *registrytest.ECR) authn.Authenticator {
	t.Helper()
	answer, err := sdk(e).GetAuthorizationToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := base64.StdEncoding.DecodeString(*answer.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := strings.Cut(string(decoded), ":")
	return &authn.Basic{Username: user, Password: password}
}

// refused is the status and the code of go-containerregistry's error.
func refused(err error) string {
	answer, is := errors.AsType[*transport.Error](err)
	if !is {
		return fmt.Sprint(err)
	}
	code := ""
	if len(answer.Errors) > 0 {
		code = string(answer.Errors[0].Code)
	}
	return strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", code))
}

func reference(t *testing.T, e *registrytest.ECR, s string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(e.Host() + "/" + s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func digestOf(t *testing.T, content interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	hash, err := content.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// TestECRAPI drives the API with Amazon's client, whose typed errors are part of the contract.
func TestECRAPI(t *testing.T) {
	t.Parallel()
	e, ctx := registrytest.NewECR(t), t.Context()
	client, app := sdk(e), aws.String("team/app")
	_, err := client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	if _, is := errors.AsType[*types.RepositoryNotFoundException](err); !is {
		t.Error(err)
	}
	filter := types.ImageTagMutabilityExclusionFilter{FilterType: "WILDCARD", Filter: aws.String("cache-*")}
	if _, err := client.CreateRepository(ctx, &ecr.CreateRepositoryInput{
		RepositoryName: app, ImageTagMutability: types.ImageTagMutabilityImmutableWithExclusion,
		ImageTagMutabilityExclusionFilters: []types.ImageTagMutabilityExclusionFilter{filter},
	}); err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: app})
	if _, is := errors.AsType[*types.RepositoryAlreadyExistsException](err); !is {
		t.Error(err)
	}
	described, err := client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := described.Repositories[0]; got.ImageTagMutability != types.ImageTagMutabilityImmutableWithExclusion ||
		*got.ImageTagMutabilityExclusionFilters[0].Filter != "cache-*" || *got.RegistryId != registrytest.Account {
		t.Errorf("%+v", got)
	}
	if _, err := client.PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{RepositoryName: app, ImageTagMutability: "MUTABLE"}); err != nil {
		t.Error(err)
	}
	digest := e.Push(t, "team/app:1", registrytest.Image(t, "linux/amd64"))
	images, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := images.ImageDetails[0]; *got.ImageDigest != digest || got.ImageStatus != types.ImageStatusActive || !slices.Equal(got.ImageTags, []string{"1"}) {
		t.Errorf("%+v", got)
	}
	_, err = client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("2")}}})
	if _, is := errors.AsType[*types.ImageNotFoundException](err); !is {
		t.Error(err)
	}
	e.Deny("ecr:DescribeRepositories")
	_, err = client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	if err == nil || !strings.Contains(err.Error(), "AccessDeniedException: User: ") {
		t.Error(err)
	}
}

// TestECRDeletes: a tag goes alone, an image with its last tag, and what an index refers to stays.
func TestECRDeletes(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	image, index := registrytest.Image(t, "linux/amd64"), registrytest.Index(t, "linux/amd64", "linux/arm64")
	e.Push(t, "app:1", image)
	e.Push(t, "app:2", image)
	e.Push(t, "app:index", index)
	children, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	child, _ := index.Image(children.Manifests[0].Digest)
	e.Push(t, "app:child", child)
	for tag, want := range map[string]string{"absent": "ImageNotFound", "child": "ImageReferencedByManifestList", "1": "", "2": ""} {
		answer, err := sdk(e).BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
			RepositoryName: aws.String("app"), ImageIds: []types.ImageIdentifier{{ImageTag: aws.String(tag)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(answer.Failures) > 0 {
			got = string(answer.Failures[0].FailureCode)
		}
		if got != want || len(answer.ImageIds)+len(answer.Failures) != 1 {
			t.Errorf("%s: %q, want %q, %d deleted", tag, got, want, len(answer.ImageIds))
		}
	}
	if got := e.Tags("app"); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
	_, err = remote.Head(reference(t, e, "app@"+digestOf(t, image)), remote.WithAuth(login(t, e)))
	if refused(err) != "404" {
		t.Errorf("the image of the two tags: %v", err)
	}
}

// TestECRManners drives the registry with go-containerregistry.
func TestECRManners(t *testing.T) {
	t.Parallel()
	image, index := registrytest.Image(t, "linux/amd64"), registrytest.Index(t, "linux/amd64", "linux/arm64")
	other := registrytest.Image(t, "linux/amd64")
	artifact := mutate.Subject(other, v1.Descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: v1.Hash{
		Algorithm: "sha256", Hex: strings.Repeat("0", 64),
	}}).(v1.Image)
	write := func(name string, content v1.Image) func(*testing.T, *registrytest.ECR, remote.Option) error {
		return func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return remote.Write(reference(t, e, name), content, auth)
		}
	}
	tests := map[string]struct {
		prepare func(t *testing.T, e *registrytest.ECR)
		act     func(t *testing.T, e *registrytest.ECR, auth remote.Option) error
		want    string
	}{
		"missing repository":           {nil, write("absent:1", image), "404 NAME_UNKNOWN"},
		"created on push":              {func(_ *testing.T, e *registrytest.ECR) { e.CreateOnPush("team/") }, write("team/sub/app:1", image), "<nil>"},
		"no template for it":           {func(_ *testing.T, e *registrytest.ECR) { e.CreateOnPush("team/") }, write("other/app:1", image), "404 NAME_UNKNOWN"},
		"tag again":                    {push("app:1", image), write("app:1", image), "<nil>"}, // the client looks before it writes
		"immutable tag, another image": {push("fixed:1", other), write("fixed:1", image), "400 TAG_INVALID"},
		"immutable tag, excluded":      {push("fixed:cache-1", other), write("fixed:cache-1", image), "<nil>"},
		"mutable tag, excluded":        {push("loose:v1", other), write("loose:v1", image), "400 TAG_INVALID"},
		"artifact":                     {nil, write("app:1", artifact), "405 UNSUPPORTED"},
		"action denied":                {func(_ *testing.T, e *registrytest.ECR) { e.Deny("ecr:PutImage") }, write("app:1", image), "403 DENIED"},
		"expired token":                {func(_ *testing.T, e *registrytest.ECR) { e.Advance(12 * time.Hour) }, write("app:1", image), "403"},
		"before the token expires":     {func(_ *testing.T, e *registrytest.ECR) { e.Advance(11 * time.Hour) }, write("app:1", image), "<nil>"},
		"archived":                     {archive(image), head("app:1"), "404"},
		"archived and pushed once again": {archive(image), func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return errors.Join(write("app:1", image)(t, e, auth), head("app:1")(t, e, auth))
		}, "<nil>"},
		"delete": {push("app:1", image), func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return remote.Delete(reference(t, e, "app:1"), auth)
		}, "405 UNSUPPORTED"},
		"index without its images": {nil, func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return remote.Tag(reference(t, e, "app:1").(name.Tag), taggable{index}, auth)
		}, "404 MANIFEST_BLOB_UNKNOWN"},
		"index": {push("app:1", index), head("app:1"), "<nil>"},
		"no auth": {nil, func(t *testing.T, e *registrytest.ECR, _ remote.Option) error {
			return head("app:1")(t, e, remote.WithAuth(authn.Anonymous))
		}, "401"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", "")
			e.Repository("fixed", registrytest.ImmutableWithExclusion, "cache-*")
			e.Repository("loose", registrytest.MutableWithExclusion, "v*")
			auth := remote.WithAuth(login(t, e))
			if test.prepare != nil {
				test.prepare(t, e)
			}
			if got := refused(test.act(t, e, auth)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// taggable hides that an index has children, so that they are not pushed with it.
type taggable struct{ v1.ImageIndex }

func (t taggable) RawManifest() ([]byte, error) { return t.ImageIndex.RawManifest() }

func push(name string, content remote.Taggable) func(*testing.T, *registrytest.ECR) {
	return func(t *testing.T, e *registrytest.ECR) { e.Push(t, name, content) }
}

func archive(image v1.Image) func(*testing.T, *registrytest.ECR) {
	return func(t *testing.T, e *registrytest.ECR) { e.Archive("app", e.Push(t, "app:1", image)) }
}

func head(name string) func(*testing.T, *registrytest.ECR, remote.Option) error {
	return func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
		_, err := remote.Head(reference(t, e, name), auth)
		return err
	}
}

// TestECRRefusesTheSameAgain: an immutable tag is not written again with what it holds.
func TestECRRefusesTheSameAgain(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", registrytest.Immutable)
	image := registrytest.Image(t, "linux/amd64")
	e.Push(t, "app:1", image)
	content, _ := image.RawManifest()
	status, body := send(t, e, login(t, e), http.MethodPut, "/v2/app/manifests/1", string(content))
	if status != http.StatusBadRequest || !strings.Contains(body, "cannot be overwritten because the repository is immutable") {
		t.Error(status, body)
	}
}

func TestECRCutsOffMissing(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.CutOffMissing()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, e.Endpoint()+"/v2/absent/blobs/uploads/", http.NoBody)
	config, _ := login(t, e).Authorization()
	req.SetBasicAuth(config.Username, config.Password)
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// accepted are the manifests that the tests push.
const accepted = "application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json"

// send is one request with a login and a manifest in it.
func send(t *testing.T, e interface{ Host() string }, auth authn.Authenticator, method, path, content string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.Host()+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	req.Header.Set("Accept", accepted)
	if config, _ := auth.Authorization(); config.Username != "" {
		req.SetBasicAuth(config.Username, config.Password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(read)
}

// TestECRIsARegistryOtherwise: what both can do they do alike.
func TestECRIsARegistryOtherwise(t *testing.T) {
	t.Parallel()
	image := registrytest.Image(t, "linux/amd64")
	manifest, _ := image.RawManifest()
	digest := digestOf(t, image)
	steps := []struct{ method, path, content string }{
		{http.MethodGet, "/v2/", ""},
		{http.MethodGet, "/v2/app/manifests/1", ""},
		{http.MethodHead, "/v2/app/manifests/" + digest, ""},
		{http.MethodPut, "/v2/app/manifests/1", string(manifest)}, // its blobs are not there
		{http.MethodPut, "/v2/app/manifests/1", "{"},
		{http.MethodGet, "/v2/app/blobs/" + digest, ""},
		{http.MethodPost, "/v2/app/blobs/uploads/", ""},
		{http.MethodPost, "/v2/app/blobs/uploads/?digest=" + url.QueryEscape("sha256:0"), ""},
		{"push", "app:1", ""},
		{http.MethodPut, "/v2/app/manifests/2", string(manifest)},
		{http.MethodGet, "/v2/app/manifests/1", ""},
		{http.MethodGet, "/v2/app/manifests/2", ""},
		{http.MethodHead, "/v2/app/manifests/" + digest, ""},
	}
	plain, e := registrytest.New(t), registrytest.NewECR(t)
	e.Repository("app", "")
	auth := login(t, e)
	for _, step := range steps {
		if step.method == "push" {
			plain.Push(t, step.path, image)
			e.Push(t, step.path, image)
			continue
		}
		want, wantBody := send(t, plain, authn.Anonymous, step.method, step.path, step.content)
		got, gotBody := send(t, e, auth, step.method, step.path, step.content)
		if got != want || want == http.StatusOK && gotBody != wantBody {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, got, gotBody, want, wantBody)
		}
	}
	if digestOf(t, empty.Image) == digest {
		t.Error("the image is empty")
	}
}
