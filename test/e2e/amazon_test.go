//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// amazon is Amazon ECR for the programs of a test: they reach it through the provider aws and through this provider.
type amazon struct{ *registrytest.ECR }

func newAmazon(t testing.TB) amazon { return amazon{registrytest.NewECR(t)} }

// open opens a stack whose user has the access key.
func (a amazon) open(t testing.TB, program fs.FS, key string) *stack.Test {
	t.Helper()
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Program: program, Daemon: shared.Daemon, Idle: 5 * time.Second,
		Env: []string{fmt.Sprintf("PULUMI_DEBUG_PROVIDERS=aws:%d", a.provider(t))},
		Values: map[string]string{"buildkit:ecr": fmt.Sprintf(`{"endpoint":%q,"region":%q,"hosts":[%q]}`, a.Endpoint(),
			registrytest.Region, a.Host())},
	})
	a.login(t, s, key)
	return s
}

// login replaces the credentials in ~/.aws.
func (amazon) login(t testing.TB, s *stack.Test, key string) {
	t.Helper()
	folder := filepath.Join(filepath.Dir(s.Dir), "home", ".aws")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secretKey)
	if err := errors.Join(os.MkdirAll(folder, 0o700),
		os.WriteFile(filepath.Join(folder, "credentials"), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// secretKey may be nowhere but in ~/.aws.
const secretKey = "aws-secret-canary"

// revoke invalidates an access key and the tokens that were issued for it.
func (a amazon) revoke(key string) {
	a.Advance(13 * time.Hour)
	a.Inject(registrytest.Rule{Operation: "GetAuthorizationToken",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			if !strings.Contains(req.Header.Get("Authorization"), "Credential="+key+"/") {
				next.ServeHTTP(w, req)
				return
			}
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w,
				`{"__type":"UnrecognizedClientException",`+
					`"message":"The security token included in the request is invalid."}`)
		}})
}

// requestsSince returns the requests after the first n, such as "PUT /v2/app/manifests/1". It leaves out those to
// Amazon's API.
func (a amazon) requestsSince(n int) (requests []string) {
	for _, r := range a.Requests()[n:] {
		if r.Path != "/" {
			requests = append(requests, r.Method+" "+r.Path)
		}
	}
	return requests
}

// withPrefix returns the requests that begin with prefix.
func withPrefix(prefix string, requests []string) []string {
	return slices.DeleteFunc(slices.Clone(requests), func(r string) bool { return !strings.HasPrefix(r, prefix) })
}

// provider serves a small provider aws until the test ends.
func (a amazon) provider(t testing.TB) (port int) {
	t.Helper()
	inferred := infer.Provider(infer.Options{Resources: []infer.InferredResource{infer.Resource(&Repository{a})}})
	server, err := p.RawServer("aws", "7.0.0", inferred)(nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: ended, Init: func(s *grpc.Server) error {
		pulumirpc.RegisterResourceProviderServer(s, server)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(ended); <-handle.Done })
	return handle.Port
}

// Repository is aws.ecr.Repository.
type Repository struct{ amazon }

// Annotate sets the token of the resource.
func (r *Repository) Annotate(an infer.Annotator) { an.SetToken("ecr", "Repository") }

// RepositoryArgs are the inputs of Repository.
type RepositoryArgs struct {
	Name       string  `pulumi:"name"`
	Mutability *string `pulumi:"imageTagMutability,optional"`
}

// RepositoryState are the outputs of Repository.
type RepositoryState struct {
	RepositoryArgs
	URL string `pulumi:"repositoryUrl"`
}

// Create creates the repository through Amazon's API.
func (r *Repository) Create(ctx context.Context,
	req infer.CreateRequest[RepositoryArgs]) (infer.CreateResponse[RepositoryState], error) {
	created := infer.CreateResponse[RepositoryState]{ID: req.Inputs.Name,
		Output: RepositoryState{req.Inputs, r.Host() + "/" + req.Inputs.Name}}
	if req.DryRun {
		return created, nil
	}
	client := ecr.New(ecr.Options{Region: registrytest.Region, BaseEndpoint: aws.String(r.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAWS", "x", "")})
	in := &ecr.CreateRepositoryInput{RepositoryName: &req.Inputs.Name}
	if req.Inputs.Mutability != nil {
		in.ImageTagMutability = types.ImageTagMutability(*req.Inputs.Mutability)
	}
	// The engine cancels a provider when the preview is over, and attaches to it again.
	_, err := client.CreateRepository(context.WithoutCancel(ctx), in)
	return created, err
}
