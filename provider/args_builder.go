package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// BuilderConfig is what builds the image.
type BuilderConfig struct {
	Endpoint *string `pulumi:"endpoint,optional"`
	Name     *string `pulumi:"name,optional"`
	TLS      *TLS    `pulumi:"tls,optional"`
}

// Annotate documents the type.
func (b *BuilderConfig) Annotate(an infer.Annotator) {
	an.Describe(b, "The builder: a BuildKit daemon or a Docker Engine. Set `endpoint` or `name`, not both.")
	an.Describe(&b.Endpoint, "Address of the builder: `unix:///run/buildkit/buildkitd.sock`, `tcp://host:port`, "+
		"`docker-container://name`, `podman-container://name`, `nerdctl-container://name`, `kube-pod://pod`, "+
		"`ssh://user@host`, `npipe:////./pipe/buildkitd`, `docker://` for the current Docker Engine or "+
		"`docker://context` for that of a Docker context, or `local://` for the plugin's own daemon. The socket or "+
		"port of a Docker Engine is recognized.")
	an.Describe(&b.Name, "Name of a builder of `docker buildx`, as `docker buildx ls` lists it.")
	an.Describe(&b.TLS, "Certificates for a `tcp://` endpoint. Defaults to no TLS.")
}

// BuilderNode is one of several builders.
type BuilderNode struct {
	Endpoint  *string    `pulumi:"endpoint,optional"`
	Name      *string    `pulumi:"name,optional"`
	Platforms []Platform `pulumi:"platforms,optional"`
	Share     *bool      `pulumi:"share,optional"`
	TLS       *TLS       `pulumi:"tls,optional"`
}

// Annotate documents the type.
func (n *BuilderNode) Annotate(an infer.Annotator) {
	an.Describe(n, "One of several builders. Set `endpoint` or `name`, not both.")
	an.Describe(&n.Endpoint, "Address of the builder, as in `builder.endpoint`.")
	an.Describe(&n.Name, "Name of a builder of `docker buildx` with one node.")
	an.Describe(&n.Platforms, "The platforms to build there, such as `linux/arm64`. Defaults to all that the builder "+
		"says it can build.")
	an.Describe(&n.Share, "Whether the images are divided among this builder and the others with `share` that "+
		"suit a platform as well. The name of an image decides which of them builds it, so that it finds its cache "+
		"there again. Defaults to `false`: the first of equal builders builds all images.")
	an.Describe(&n.TLS, "Certificates for a `tcp://` endpoint. Defaults to no TLS.")
}

// TLS holds the certificates for a connection to a builder.
type TLS struct {
	CA         *string `pulumi:"ca,optional"         provider:"secret"`
	Cert       *string `pulumi:"cert,optional"       provider:"secret"`
	Key        *string `pulumi:"key,optional"        provider:"secret"`
	ServerName *string `pulumi:"serverName,optional"`
}

// Annotate documents the type.
func (t *TLS) Annotate(an infer.Annotator) {
	an.Describe(t, "Certificates for a connection to a builder. Each is the path of a PEM file, or PEM text, which "+
		"begins with `-----BEGIN`.")
	an.Describe(&t.CA, "The certificate of the authority that signed the builder's certificate. Defaults to the "+
		"authorities of this machine.")
	an.Describe(&t.Cert, "The client certificate. It needs `key`.")
	an.Describe(&t.Key, "The private key of `cert`.")
	an.Describe(&t.ServerName, "The name in the builder's certificate. Defaults to the host of the endpoint.")
}

// read returns the certificates. It reads the files of those that are paths. It returns nil for nil.
func (t *TLS) read(ctx context.Context) (*endpoint.TLS, error) {
	if t == nil {
		return nil, nil
	}
	read := &endpoint.TLS{ServerName: deref(t.ServerName)}
	for _, part := range []struct {
		name  string
		given *string
		to    *[]byte
	}{{"ca", t.CA, &read.CA}, {"cert", t.Cert, &read.Cert}, {"key", t.Key, &read.Key}} {
		content, err := readPEM(ctx, deref(part.given))
		if err != nil {
			return nil, fmt.Errorf("tls.%s: %w", part.name, err)
		}
		*part.to = content
	}
	return read, nil
}

// readPEM returns PEM text, or the content of the file at a path. It returns nil for "".
func readPEM(ctx context.Context, given string) ([]byte, error) {
	switch {
	case given == "":
		return nil, nil
	case strings.Contains(given, "-----BEGIN"):
		return []byte(given), nil
	case strings.ContainsAny(given, "\r\n") || len(given) > 255: // perhaps a key: its text goes into no error
		return nil, errors.New("it is neither the path of a file nor PEM, which has a line with -----BEGIN")
	}
	return file.Project(projectFolder()).ReadNamed(ctx, given, file.LimitText)
}
