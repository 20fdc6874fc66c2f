package registrytest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// sdk returns Amazon's own client.
func sdk(e *registrytest.ECR) *ecr.Client {
	return ecr.New(ecr.Options{
		Region: registrytest.Region, BaseEndpoint: aws.String(e.Endpoint()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})
}

// login returns the login that docker would get.
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

// statusAndCode returns the status and the code of go-containerregistry's error.
func statusAndCode(err error) string {
	answer, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	code := ""
	if len(answer.Errors) > 0 {
		code = string(answer.Errors[0].Code)
	}
	return strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", code))
}

// reference parses a name in the registry.
func reference(t *testing.T, e *registrytest.ECR, s string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(e.Host() + "/" + s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// digestOf returns the digest of an image or an index.
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
	if _, ok := errors.AsType[*types.RepositoryNotFoundException](err); !ok {
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
	if _, ok := errors.AsType[*types.RepositoryAlreadyExistsException](err); !ok {
		t.Error(err)
	}
	described, err := client.DescribeRepositories(ctx,
		&ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := described.Repositories[0]; got.ImageTagMutability != types.ImageTagMutabilityImmutableWithExclusion ||
		*got.ImageTagMutabilityExclusionFilters[0].Filter != "cache-*" || *got.RegistryId != registrytest.Account {
		t.Errorf("%+v", got)
	}
	_, err = client.PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{RepositoryName: app,
		ImageTagMutability: "MUTABLE"})
	if err != nil {
		t.Error(err)
	}
	digest := e.Push(t, "team/app:1", registrytest.Image(t, "linux/amd64"))
	images, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: app,
		ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	got := images.ImageDetails[0]
	if *got.ImageDigest != digest || got.ImageStatus != types.ImageStatusActive ||
		!slices.Equal(got.ImageTags, []string{"1"}) {
		t.Errorf("%+v", got)
	}
	_, err = client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: app,
		ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("2")}}})
	if _, ok := errors.AsType[*types.ImageNotFoundException](err); !ok {
		t.Error(err)
	}
	e.Deny("ecr:DescribeRepositories")
	_, err = client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	if err == nil || !strings.Contains(err.Error(), "AccessDeniedException: User: ") {
		t.Error(err)
	}
}

// TestECRDeletes holds that a deletion removes a tag alone, and an image with its last tag. What an index refers to
// stays.
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
	for tag, want := range map[string]string{"absent": "ImageNotFound", "child": "ImageReferencedByManifestList",
		"1": "", "2": ""} {
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
	if statusAndCode(err) != "404" {
		t.Errorf("the image of the two tags: %v", err)
	}
}
