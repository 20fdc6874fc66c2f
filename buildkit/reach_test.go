package buildkit

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// The table has what a Dockerfile may make the plugin's own daemon fetch, with each way to write an address.
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
	git := func(remote string) *pb.SourceOp {
		return &pb.SourceOp{Identifier: "git://whatever/x", Attrs: map[string]string{pb.AttrFullRemoteURL: remote}}
	}
	source := func(id string) *pb.SourceOp { return &pb.SourceOp{Identifier: id} }
	refused := []*pb.SourceOp{
		source("http://127.0.0.1/x"), source("http://127.8.9.10:80/x"), source("https://localhost/x"),
		source("http://LOCALHOST.:8080/x"),
		source("http://x.localhost/x"), source("http://0.0.0.0/x"), source("http://0/x"), source("http://[::1]/x"),
		source("http://[::]/x"),
		source("http://[::ffff:127.0.0.1]/x"), source("http://[::ffff:7f00:1]/x"), source("http://[64:ff9b::7f00:1]/x"),
		source("http://[::127.0.0.1]/x"),
		source("http://2130706433/x"), source("http://0x7f.1/x"), source("http://0177.0.0.1/x"),
		source("http://127.1/x"),
		source("http://169.254.169.254/latest"), source("http://[fe80::1%25eth0]/x"),
		source("http://[fd00:ec2::254]/x"),
		source("http://168.63.129.16/x"), source("http://100.100.100.200/x"), source("http://2852039166/latest"),
		source("http://192.0.0.192/opc/v2"), source("http://[fd20:ce::254]/x"), source("http://[fd00:42::42]/x"),
		source("http://[fd00:ec2::23]/x"),
		source("http://[2002:a9fe:a9fe::]/x"), source("http://[64:ff9b:1::7f00:1]/x"),
		source("http://here.example/x"), source("http://cloud.example/x"), source("http://six.example/x"),
		source("http://127.0.0.1:9009/x"),
		git("https://127.0.0.1/x.git"), git("git@127.0.0.1:x.git"), git("git@here.example:x.git"),
		git("ssh://git@localhost/x.git"), git("git://cloud.example/x"),
		git("http://0x7f000001/x.git"),
		source("git://127.0.0.1/x"),
		source("docker-image://169.254.169.254/x:latest"), source("docker-image://cloud.example/x:latest"),
		source("gopher://127.0.0.1/"),
		source("docker-image+blob://169.254.169.254/x@sha256:0"),
		{
			Identifier: "git://out.example/x",
			Attrs: map[string]string{
				pb.AttrFullRemoteURL: "https://out.example/x.git",
				pb.AttrGitBundle:     "docker-image+blob://169.254.169.254/x@sha256:0",
			},
		},
		{Identifier: "docker-image://evil.example/f:1", Attrs: map[string]string{pb.AttrImageRecordType: "frontend"}},
	}
	allowed := []*pb.SourceOp{
		source("https://out.example/x"), source("https://inside.example/x"), source("https://10.0.0.1/x"),
		source("https://unknown.example/x"),
		git("https://127.0.0.1:9000/other.git"), source("http://127.0.0.1:9001/y"),
		source("docker-image://127.0.0.1:9002/y:1"),
		source("docker-image://127.0.0.1:9003/y:1"), source("docker-image://localhost:9004/y:1"),
		source("docker-image://127.0.0.1:9005/y:1"),
		source("docker-image://127.0.0.1:8500/x:latest"), source("docker-image://here.example/x:latest"),
		source("docker-image://docker.io/library/alpine:latest"), source("local://context"),
		git("git@out.example:x.git"),
		{
			Identifier: "docker-image://docker.io/docker/dockerfile:1-labs",
			Attrs:      map[string]string{pb.AttrImageRecordType: "frontend"},
		},
	}
	for _, op := range refused {
		if err := p.check(t.Context(), op); err == nil {
			t.Errorf("%s %v is fetched", op.Identifier, op.Attrs)
		}
	}
	for _, op := range allowed {
		if err := p.check(t.Context(), op); err != nil {
			t.Errorf("%s: %v", op.Identifier, err)
		}
	}
	p.guard = nil
	if err := p.check(t.Context(), source("http://127.0.0.1/x")); err != nil {
		t.Errorf("a builder of somebody else's: %v", err)
	}
}
