package buildkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/sourcepolicy/policysession"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// sourcePolicy decides about each source before the daemon fetches it, whichever frontend names the source. It takes
// logins out of URLs. If there is a guard, it refuses frontends and hosts that the guard does not allow.
type sourcePolicy struct {
	guard  *Guard // nil: the builder belongs to somebody else
	plan   inputs.Plan
	logins *logins
	bases  *unpushedBases
	stop   func(error) error // remembers the error: one that passes the daemon comes back as text
	log    *slog.Logger
	asked  atomic.Bool // the daemon has asked about a source
}

// checkAsked returns an *OldDaemonError if there is a guard and the daemon has fetched sources without asking. BuildKit
// before v0.26 leaves out such a policy, without an error.
func (p *sourcePolicy) checkAsked() error {
	if p.guard == nil || p.asked.Load() {
		return nil
	}
	return &OldDaemonError{Text: "the daemon fetches sources without asking which ones it may: " +
		"it is older than BuildKit v0.26"}
}

// provider returns the policy as a part of the session.
func (p *sourcePolicy) provider() *policysession.PolicyProvider {
	return policysession.NewPolicyProvider(p.decide)
}

// decide answers the daemon. The session calls it in goroutines of its own.
func (p *sourcePolicy) decide(ctx context.Context, req *policysession.CheckPolicyRequest) (
	*policysession.DecisionResponse, *gateway.ResolveSourceMetaRequest, error,
) {
	p.asked.Store(true)
	decision, err := rescue.Value(func() (*policysession.DecisionResponse, error) {
		source := req.GetSource().GetSource()
		decision, err := p.judge(ctx, source)
		p.log.DebugContext(ctx, "daemon asks for a source",
			"source", source.GetIdentifier(), "action", decision.GetAction().String())
		return decision, err
	})
	return decision, nil, err
}

// judge allows a source, denies it, takes the login out of it, or replaces a base image that no registry has by the one
// of the builder.
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
	if update := p.bases.source(op); update != nil {
		return &policysession.DecisionResponse{Action: spb.PolicyAction_CONVERT, Update: update}, nil
	}
	return &policysession.DecisionResponse{Action: spb.PolicyAction_ALLOW}, nil
}

// check returns a *FrontendError for a frontend that is not allowed, and a *ReachError for a host that the daemon must
// not reach.
func (p *sourcePolicy) check(ctx context.Context, op *pb.SourceOp) error {
	if p.guard == nil {
		return nil
	}
	scheme, rest, _ := strings.Cut(op.GetIdentifier(), "://")
	named := p.guard.namedHosts(p.plan)
	switch scheme {
	case "docker-image", "docker-image+blob":
		if op.Attrs[pb.AttrImageRecordType] == "frontend" && !allowsFrontend(rest, p.guard.Frontends, true) {
			return &FrontendError{Reference: rest}
		}
		if p.bases.find(op.GetIdentifier()) != nil {
			return nil // the session serves it
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
	return fmt.Errorf("%s: it was not fetched: the plugin does not know such a source", login.Hide(op.GetIdentifier()))
}

// checkBundle checks the registry of a git repository that comes as a bundle in an image.
func (p *sourcePolicy) checkBundle(ctx context.Context, op *pb.SourceOp, named []string) error {
	ref, isImage := strings.CutPrefix(op.Attrs[pb.AttrGitBundle], "docker-image+blob://")
	if !isImage {
		return nil
	}
	return p.guard.check(ctx, ref, registryHost(ref), named, imageSource)
}

// checkFrontend returns a *FrontendError if the frontend of this process asks for another frontend that is not allowed.
// A frontend that the program gives as a named context is allowed.
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
	if !allowsFrontend(source, p.guard.Frontends, false) {
		return &FrontendError{Reference: source}
	}
	return nil
}
