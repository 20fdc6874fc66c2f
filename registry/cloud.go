package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/github"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/google"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// cloudTimeout bounds one lookup in a cloud: its metadata service, its command line, its token server.
const cloudTimeout = 30 * time.Second

// cloud has a registry and ways of its own to log in to it. Amazon, which has more, has package ecr.
type cloud struct {
	source  string // its name in the log
	domains []string
	ask     askFunc
}

// askFunc returns the credential for host, or the zero Credential if there is none.
type askFunc func(ctx context.Context, host string) (Credential, error)

// clouds are asked before docker's config.json. Their tokens are good for minutes or hours; both libraries renew them.
var clouds = []cloud{
	{
		source:  "Google",
		domains: []string{"gcr.io", ".gcr.io", ".pkg.dev"},
		ask: func(ctx context.Context, host string) (Credential, error) {
			if err := fault.CheckFiles(googleFiles); err != nil {
				return Credential{}, err
			}
			return fromKeychain(ctx, google.Keychain, host)
		},
	},
	{
		source:  "Microsoft",
		domains: []string{".azurecr.io", ".azurecr.cn", ".azurecr.us", ".azurecr.de"},
		ask:     azure{identity: azureIdentity}.credential,
	},
}

// environment is asked after docker's config.json: GITHUB_TOKEN is set for many purposes, and most tokens may not push.
var environment = []cloud{{
	source:  "GITHUB_TOKEN",
	domains: []string{"ghcr.io"},
	ask: func(ctx context.Context, host string) (Credential, error) {
		return fromKeychain(ctx, github.Keychain, host)
	},
}}

// has reports whether a host is a registry of the cloud.
func (c cloud) has(host string) bool {
	return slices.ContainsFunc(c.domains, func(domain string) bool {
		return host == domain || domain[0] == '.' && strings.HasSuffix(host, domain)
	})
}

// isOf reports whether a host is a registry of one of the clouds.
func isOf(clouds []cloud, host string) bool {
	return slices.ContainsFunc(clouds, func(c cloud) bool { return c.has(host) })
}

// askInTime returns what ask returns, or the cause of a context that ended first. A library that does not heed its
// context is left to itself after cloudTimeout.
func askInTime(ctx context.Context, host string, ask askFunc) (Credential, error) {
	late := fmt.Sprintf("%v: no credential for %s within %s", fault.ErrUnreachable, host, cloudTimeout)
	ctx, stop := context.WithTimeoutCause(ctx, cloudTimeout, fault.New(fault.Silent, late, fault.ErrUnreachable))
	defer stop()
	type answer struct {
		credential Credential
		err        error
	}
	answers := make(chan answer, 1)
	rescue.Go(func(err error) { answers <- answer{err: err} }, func() {
		credential, err := ask(ctx, host)
		answers <- answer{credential, err}
	})
	select {
	case a := <-answers:
		return a.credential, a.err
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	}
}

// Files that the libraries of clouds read by themselves; see fault.CheckFiles.
var (
	googleFiles = map[string]string{ //nolint:gosec // where credentials are, not what they are
		"GOOGLE_APPLICATION_CREDENTIALS": ".config/gcloud/application_default_credentials.json",
	}
	microsoftFiles = map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "", "AZURE_CLIENT_CERTIFICATE_PATH": ""}
)

// fromKeychain asks a keychain of go-containerregistry, without the end of ctx: Google's keeps the context of its first
// caller for as long as the process lives.
func fromKeychain(ctx context.Context, keychain authn.Keychain, host string) (Credential, error) {
	ctx = context.WithoutCancel(ctx)
	registry, err := name.NewRegistry(host)
	if err != nil {
		return Credential{}, err
	}
	authenticator, err := authn.Resolve(ctx, keychain, registry)
	if err != nil {
		return Credential{}, errors.New(fault.OneLine(err.Error()))
	}
	config, err := authn.Authorization(ctx, authenticator)
	if err != nil {
		return Credential{}, errors.New(fault.OneLine(err.Error()))
	}
	return Credential{Username: config.Username, Password: config.Password, IdentityToken: config.IdentityToken}, nil
}

// azure exchanges a token of Microsoft Entra for one of a registry.
type azure struct {
	identity  func() (azcore.TokenCredential, error)
	transport http.RoundTripper // nil is the default
}

// azureIdentity finds who we are at Microsoft: environment, workload identity, managed identity, az login. It keeps its
// tokens.
var azureIdentity = sync.OnceValues(func() (azcore.TokenCredential, error) {
	return azidentity.NewDefaultAzureCredential(nil)
})

// azureScope is what Azure Container Registry wants a token for, in all of Microsoft's clouds.
const azureScope = "https://containerregistry.azure.net/.default"

// credential returns the refresh token that Azure Container Registry gives for one of Microsoft Entra.
func (a azure) credential(ctx context.Context, host string) (Credential, error) {
	if err := fault.CheckFiles(microsoftFiles); err != nil {
		return Credential{}, err
	}
	identity, err := a.identity()
	if err != nil {
		return Credential{}, azureError(err)
	}
	token, err := identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{azureScope}})
	if err != nil {
		return Credential{}, azureError(err)
	}
	options := azcontainerregistry.AuthenticationClientOptions{}
	// Anybody may have a registry there. The token that we post opens other ones too, and so the route does not pass it
	// on to where a redirect leads.
	route := newRoute(cmp.Or(a.transport, remote.DefaultTransport), host, false, nil)
	options.Transport = &http.Client{Transport: route}
	client, err := azcontainerregistry.NewAuthenticationClient("https://"+host, &options)
	if err != nil {
		return Credential{}, azureError(err)
	}
	var exchange azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions
	exchange.AccessToken = &token.Token
	answer, err := client.ExchangeAADAccessTokenForACRRefreshToken(ctx,
		azcontainerregistry.PostContentSchemaGrantTypeAccessToken, host, &exchange)
	if err != nil || answer.RefreshToken == nil {
		return Credential{}, azureError(err)
	}
	return Credential{IdentityToken: *answer.RefreshToken}, nil
}

// azureError returns the error of an exchange with Azure.
func azureError(err error) error {
	e := fault.New(fault.AzureRefused, "Azure: "+fault.OneLine(fmt.Sprint(err)))
	if refused, ok := errors.AsType[*addressError](err); ok {
		e.Kind, e.Host = fault.UnnamedHost, refused.host
	}
	return e
}
