package ecr

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Registry is one host of Amazon ECR, seen by one principal.
type Registry struct {
	host string
	// account is empty where the name of the host holds none. Then it is the caller's.
	account    string
	principal  principal
	retryWaits fault.Backoff
}

// IsPublic reports whether this is the one gallery, public.ecr.aws, from which everybody may pull.
func (r Registry) IsPublic() bool { return r.principal.public }

// Credential returns a login that is good for some hours more. It asks AWS for a new one in the second half of the old
// one's life. It takes up to 45 seconds where AWS throttles or is broken.
//
// logger receives records of level Debug about tries and tokens; nil discards them.
func (r Registry) Credential(ctx context.Context, logger *slog.Logger) (Credential, error) {
	call := tokenCall{
		cache:     sharedTokens,
		principal: r.principal,
		pauses:    r.retryWaits,
		logger:    fault.Logger(logger),
	}
	return call.credential(ctx)
}

// Forget drops a login that the registry refused. The next call of Credential asks AWS for another one.
func (r Registry) Forget(refused Credential) { sharedTokens.forget(r.principal, refused) }

// Credential is what a token of Amazon ECR logs in with. However it is printed, it prints as [credential].
type Credential struct{ Username, Password string }

const mask = "[credential]"

// Format implements fmt.Formatter for every verb.
func (Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue implements slog.LogValuer.
func (Credential) LogValue() slog.Value { return slog.StringValue(mask) }
