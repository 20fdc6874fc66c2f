package registry

import (
	"context"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// ecrRepository returns Amazon ECR's API for a repository. It returns nil where the repository is not in Amazon ECR, or
// in its public gallery.
func (c *Client) ecrRepository(ctx context.Context, repository string) (*ecr.Repository, error) {
	host, path, _ := strings.Cut(repository, "/")
	if c.keychain == nil {
		return nil, nil
	}
	amazon, ok := c.keychain.ECR.Registry(fault.CanonicalHost(host))
	if !ok || amazon.IsPublic() {
		return nil, nil
	}
	onPause := c.options.Watch.watchPause(host)
	return amazon.Repository(ctx, path, ecr.Options{
		RetryWaits: c.options.RetryWaits,
		Timeout:    c.options.Timeout,
		OnCall: func(operation string) (end func()) {
			return c.options.Watch.begin(Wait{Host: "Amazon ECR", Registry: host, Request: operation})
		},
		OnPause: func(operation string, pause fault.Pause) (end func()) {
			pause.Log(ctx, c.options.Log, host, operation)
			return onPause(pause)
		},
	})
}
