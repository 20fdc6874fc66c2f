package buildkit

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moby/buildkit/solver/pb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// neverResolve waits until its context ends, as a lookup does if the name server does not answer.
func neverResolve(ctx context.Context, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: "i/o timeout", IsTimeout: true}
}

// silentNameServerCase is a case of TestSilentNameServer.
type silentNameServerCase struct {
	env     map[string]string
	allowed []*pb.SourceOp
}

// silentNameServerCases returns the cases of TestSilentNameServer, by name.
func silentNameServerCases(secure *pb.SourceOp, sources []*pb.SourceOp) map[string]silentNameServerCase {
	return map[string]silentNameServerCase{
		"no proxy":         {nil, nil},
		"a proxy for http": {map[string]string{"HTTP_PROXY": "http://proxy.example:3128"}, sources[3:4]},
		"a proxy for https": {
			map[string]string{"HTTPS_PROXY": "http://proxy.example:3128"},
			[]*pb.SourceOp{secure, sources[4], sources[5]},
		},
		"a proxy for other hosts": {
			map[string]string{"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": ".example"}, nil,
		},
		"a proxy with a bad URL": {map[string]string{"HTTPS_PROXY": "http://%zz"}, nil},
		"a lower-case variable":  {map[string]string{"http_proxy": "proxy.example:3128"}, sources[3:4]},
	}
}

// A name server could be slow to answer this process, and then lead the daemon to this machine.
func TestSilentNameServer(t *testing.T) {
	for _, key := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		t.Setenv(key, "")
	}
	git := &pb.SourceOp{
		Identifier: "git://slow.example/x", Attrs: map[string]string{pb.AttrFullRemoteURL: "http://slow.example/x.git"},
	}
	secure := &pb.SourceOp{
		Identifier: "git://slow.example/x", Attrs: map[string]string{
			pb.AttrFullRemoteURL: "https://slow.example/x.git",
		},
	}
	ssh := &pb.SourceOp{
		Identifier: "git://slow.example/x", Attrs: map[string]string{pb.AttrFullRemoteURL: "git@slow.example:x.git"},
	}
	sources := []*pb.SourceOp{
		git, secure, ssh, {Identifier: "http://slow.example/x"}, {Identifier: "https://slow.example/x"}, {
			Identifier: "docker-image://slow.example/x:1",
		},
	}
	cases := silentNameServerCases(secure, sources)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.env {
				t.Setenv(key, value)
			}
			synctest.Test(t, func(t *testing.T) {
				p := &sourcePolicy{guard: &Guard{Resolve: neverResolve}}
				allowed := map[*pb.SourceOp]bool{}
				for _, op := range c.allowed {
					allowed[op] = true
				}
				for _, op := range sources {
					err := p.check(t.Context(), op)
					if allowed[op] != (err == nil) {
						t.Errorf("%s %v: %v", op.Identifier, op.Attrs, err)
					}
					if err != nil && !strings.Contains(err.Error(), "slow.example:") ||
						err != nil && !strings.Contains(err.Error(), "no answer within 10s") {
						t.Error(err)
					}
				}
			})
		})
	}
}

// Only "no such host" is an answer. A failure because the build ended is not remembered.
func TestLookupErrors(t *testing.T) {
	t.Parallel()
	broken := &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	p := &sourcePolicy{guard: &Guard{
		Resolve: func(context.Context, string) ([]netip.Addr, error) { return nil, broken },
	}}
	if err := p.check(t.Context(), &pb.SourceOp{Identifier: "ftp.example"}); err == nil {
		t.Error("an unknown source is fetched")
	}
	op := &pb.SourceOp{
		Identifier: "git://broken.example/x",
		Attrs:      map[string]string{pb.AttrFullRemoteURL: "ssh://git@broken.example/x"},
	}
	err := p.check(t.Context(), op)
	if reach, ok := errors.AsType[*ReachError](err); !ok || reach.Host != "broken.example:22" ||
		!errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	ended := errors.New("the build ends")
	stop(ended)
	p.guard = &Guard{Resolve: func(ctx context.Context, _ string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, ctx.Err()
	}}
	if err := p.check(ctx, op); !errors.Is(err, ended) {
		t.Error(err)
	}
	if err := p.check(t.Context(), op); err != nil {
		t.Error(err)
	}
}

// A named context takes the URL of a git repository, not the form user@host:path.
func TestNamedLocation(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"git@127.0.0.1:x.git":       "ssh://git@127.0.0.1/x.git",
		"git@127.0.0.1:/srv/x.git":  "ssh://git@127.0.0.1/srv/x.git",
		"https://127.0.0.1/x.git":   "https://127.0.0.1/x.git",
		"ssh://git@[::1]:2222/x":    "ssh://git@[::1]:2222/x",
		"http://127.0.0.1:80/x.tgz": "http://127.0.0.1:80/x.tgz",
	} {
		got := (&ReachError{Location: location}).NamedLocation()
		if got != want || !inputs.IsRemoteNamedContext(got) || urlHost(got) != urlHost(location) {
			t.Errorf("%s: got %s, want %s", location, got, want)
		}
	}
}
