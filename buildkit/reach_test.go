package buildkit

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// fetch returns the source that BuildKit fetches from a location.
func fetch(location string) *pb.SourceOp { return &pb.SourceOp{Identifier: location} }

// fetchGit returns the source that BuildKit fetches from a git repository.
func fetchGit(remote string) *pb.SourceOp {
	return &pb.SourceOp{Identifier: "git://whatever/x", Attrs: map[string]string{pb.AttrFullRemoteURL: remote}}
}

// refusedSources are on this machine, at a metadata service, or of an unknown kind. They have each way to write an
// address.
var refusedSources = []*pb.SourceOp{
	fetch("http://127.0.0.1/x"), fetch("http://127.8.9.10:80/x"), fetch("https://localhost/x"),
	fetch("http://LOCALHOST.:8080/x"),
	fetch("http://x.localhost/x"), fetch("http://0.0.0.0/x"), fetch("http://0/x"), fetch("http://[::1]/x"),
	fetch("http://[::]/x"),
	fetch("http://[::ffff:127.0.0.1]/x"), fetch("http://[::ffff:7f00:1]/x"), fetch("http://[64:ff9b::7f00:1]/x"),
	fetch("http://[::127.0.0.1]/x"),
	fetch("http://2130706433/x"), fetch("http://0x7f.1/x"), fetch("http://0177.0.0.1/x"),
	fetch("http://127.1/x"),
	fetch("http://169.254.169.254/latest"), fetch("http://[fe80::1%25eth0]/x"),
	fetch("http://[fd00:ec2::254]/x"),
	fetch("http://168.63.129.16/x"), fetch("http://100.100.100.200/x"), fetch("http://2852039166/latest"),
	fetch("http://192.0.0.192/opc/v2"), fetch("http://[fd20:ce::254]/x"), fetch("http://[fd00:42::42]/x"),
	fetch("http://[fd00:ec2::23]/x"),
	fetch("http://[2002:a9fe:a9fe::]/x"), fetch("http://[64:ff9b:1::7f00:1]/x"),
	fetch("http://here.example/x"), fetch("http://cloud.example/x"), fetch("http://six.example/x"),
	fetch("http://127.0.0.1:9009/x"),
	fetchGit("https://127.0.0.1/x.git"), fetchGit("git@127.0.0.1:x.git"), fetchGit("git@here.example:x.git"),
	fetchGit("ssh://git@localhost/x.git"), fetchGit("git://cloud.example/x"),
	fetchGit("http://0x7f000001/x.git"),
	fetch("git://127.0.0.1/x"),
	fetch("docker-image://169.254.169.254/x:latest"), fetch("docker-image://cloud.example/x:latest"),
	fetch("gopher://127.0.0.1/"),
	fetch("docker-image+blob://169.254.169.254/x@sha256:0"),
	{
		Identifier: "git://out.example/x",
		Attrs: map[string]string{
			pb.AttrFullRemoteURL: "https://out.example/x.git",
			pb.AttrGitBundle:     "docker-image+blob://169.254.169.254/x@sha256:0",
		},
	},
	{Identifier: "docker-image://evil.example/f:1", Attrs: map[string]string{pb.AttrImageRecordType: "frontend"}},
}

// allowedSources are elsewhere, or named by the program.
var allowedSources = []*pb.SourceOp{
	fetch("https://out.example/x"), fetch("https://inside.example/x"), fetch("https://10.0.0.1/x"),
	fetch("https://unknown.example/x"),
	fetchGit("https://127.0.0.1:9000/other.git"), fetch("http://127.0.0.1:9001/y"),
	fetch("docker-image://127.0.0.1:9002/y:1"),
	fetch("docker-image://127.0.0.1:9003/y:1"), fetch("docker-image://localhost:9004/y:1"),
	fetch("docker-image://127.0.0.1:9005/y:1"),
	fetch("docker-image://127.0.0.1:8500/x:latest"), fetch("docker-image://here.example/x:latest"),
	fetch("docker-image://docker.io/library/alpine:latest"), fetch("local://context"),
	fetchGit("git@out.example:x.git"),
	{
		Identifier: "docker-image://docker.io/docker/dockerfile:1-labs",
		Attrs:      map[string]string{pb.AttrImageRecordType: "frontend"},
	},
}

// A Dockerfile makes the plugin's own daemon fetch allowedSources, and none of refusedSources.
func TestWhatADockerfileMayReach(t *testing.T) {
	t.Parallel()
	resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
		addrs := map[string]string{
			"here.example": "127.0.0.1", "cloud.example": "169.254.169.254", "out.example": "192.0.2.1",
			"inside.example": "10.0.0.1",
			"six.example":    "::ffff:127.0.0.1",
		}
		if addr, ok := addrs[host]; ok {
			return []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr(addr)}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	files := inputs.Files{Context: "https://me:t0ken@127.0.0.1:9000/app.git", Named: map[string]string{
		"file": "http://127.0.0.1:9001/x.tgz", "image": "docker-image://127.0.0.1:9002/x",
	}}
	guard := &Guard{Hosts: []string{"127.0.0.1:9003"}, References: []string{"localhost:9004/cache"}, Resolve: resolve}
	p := &sourcePolicy{guard: guard, plan: inputs.Plan{Files: files, Repositories: []string{"127.0.0.1:9005/app"}}}
	for _, op := range refusedSources {
		if err := p.check(t.Context(), op); err == nil {
			t.Errorf("%s %v is fetched", op.Identifier, op.Attrs)
		}
	}
	for _, op := range allowedSources {
		if err := p.check(t.Context(), op); err != nil {
			t.Errorf("%s: %v", op.Identifier, err)
		}
	}
	p.guard = nil
	if err := p.check(t.Context(), fetch("http://127.0.0.1/x")); err != nil {
		t.Errorf("a builder of somebody else's: %v", err)
	}
}
