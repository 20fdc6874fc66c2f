package buildkit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/sourcepolicy/policysession"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// sourcePolicy is asked by the daemon about each source before it is fetched, whichever frontend names it. It takes
// logins out of URLs; under a guard it refuses frontends and hosts that nobody allowed.
type sourcePolicy struct {
	guard  *Guard // nil: the builder is somebody else's
	plan   inputs.Plan
	logins *logins
	stop   func(error) error // remembers why: an error that passes the daemon comes back as text
}

// provider returns the policy as a part of the session.
func (p *sourcePolicy) provider() *policysession.PolicyProvider {
	return policysession.NewPolicyProvider(p.decide)
}

func (p *sourcePolicy) decide(ctx context.Context, req *policysession.CheckPolicyRequest) (
	*policysession.DecisionResponse, *gateway.ResolveSourceMetaRequest, error,
) {
	// The session calls this in goroutines of its own.
	decision, err := rescue.Value(func() (*policysession.DecisionResponse, error) {
		return p.judge(ctx, req.GetSource().GetSource())
	})
	return decision, nil, err
}

func (p *sourcePolicy) judge(ctx context.Context, op *pb.SourceOp) (*policysession.DecisionResponse, error) {
	if op == nil {
		return nil, errors.New("the daemon asks about no source")
	}
	if p.logins.cutLogin(op) {
		return &policysession.DecisionResponse{Action: spb.PolicyAction_CONVERT, Update: op}, nil
	}
	if err := p.check(ctx, op); err != nil {
		err = p.stop(err)
		messages := []*policysession.DenyMessage{{Message: err.Error()}}
		return &policysession.DecisionResponse{Action: spb.PolicyAction_DENY, DenyMessages: messages}, nil
	}
	return &policysession.DecisionResponse{Action: spb.PolicyAction_ALLOW}, nil
}

// check returns a *FrontendError or a *ReachError for what is refused.
func (p *sourcePolicy) check(ctx context.Context, op *pb.SourceOp) error {
	if p.guard == nil {
		return nil
	}
	scheme, rest, _ := strings.Cut(op.GetIdentifier(), "://")
	named := p.guard.namedHosts(p.plan)
	switch scheme {
	case "docker-image", "docker-image+blob":
		if op.Attrs[pb.AttrImageRecordType] == "frontend" && !frontendIsAllowed(rest, p.guard.Frontends, true) {
			return &FrontendError{Reference: rest}
		}
		return p.guard.check(ctx, rest, registryHost(rest), named, imageSource)
	case "git":
		remote := op.Attrs[pb.AttrFullRemoteURL]
		if remote == "" {
			remote = "https://" + rest
		}
		if err := p.checkBundle(ctx, op, named); err != nil {
			return err
		}
		return p.guard.check(ctx, remote, urlHost(remote), named, gitSource)
	case "http", "https":
		return p.guard.check(ctx, op.GetIdentifier(), urlHost(op.GetIdentifier()), named, fileSource)
	case "local", "oci-layout", "oci-layout+blob":
		return nil
	}
	return fmt.Errorf("%s: it was not fetched: nobody here knows such a source", login.Hide(op.GetIdentifier()))
}

// checkBundle judges the registry that a git repository is taken from as a bundle.
func (p *sourcePolicy) checkBundle(ctx context.Context, op *pb.SourceOp, named []string) error {
	ref, isImage := strings.CutPrefix(op.Attrs[pb.AttrGitBundle], "docker-image+blob://")
	if !isImage {
		return nil
	}
	return p.guard.check(ctx, ref, registryHost(ref), named, imageSource)
}

// checkFrontend returns a *FrontendError for a frontend that a build of ours is about to run and nobody allowed. A
// named context of a frontend's name is the program's word.
func (p *sourcePolicy) checkFrontend(name string, options map[string]string) error {
	if p.guard == nil || name == "" {
		return nil
	}
	source := options["source"]
	if name != "gateway.v0" {
		return &FrontendError{Reference: name}
	}
	if p.plan.Files.HasNamed(source) {
		return nil
	}
	if !frontendIsAllowed(source, p.guard.Frontends, false) {
		return &FrontendError{Reference: source}
	}
	return nil
}
