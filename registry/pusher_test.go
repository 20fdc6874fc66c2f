package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// store is an image in memory, as a daemon holds it.
type store map[digest.Digest][]byte

func (s store) ReaderAt(_ context.Context, desc ocispec.Descriptor) (content.ReaderAt, error) {
	return readerAt{bytes.NewReader(s[desc.Digest])}, nil
}

// readerAt adds Close to a bytes.Reader.
type readerAt struct{ *bytes.Reader }

func (readerAt) Close() error { return nil }

// storeImage takes an image apart, as a daemon holds it.
func storeImage(t *testing.T, image v1.Image) (s store, manifest ocispec.Descriptor, layers []ocispec.Descriptor) {
	t.Helper()
	raw, err := image.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	s = store{digest.FromBytes(raw): raw, digest.FromBytes(config): config}
	var parsed ocispec.Manifest
	if err := json.Unmarshal(raw, &parsed); err != nil {
		t.Fatal(err)
	}
	blobs, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		reader, err := blob.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		s[digest.FromBytes(content)] = content
	}
	manifest = ocispec.Descriptor{MediaType: parsed.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return s, manifest, append(parsed.Layers, parsed.Config)
}

// daemonPush pushes an image by digest as BuildKit's daemon does: with containerd's pusher, layers first, and the same
// words around its errors. It asks for credentials when the registry challenges it.
func daemonPush(ctx context.Context, t *testing.T, keychain *registry.Keychain, repository string,
	image v1.Image) error {
	t.Helper()
	err := containerdPush(ctx, t, keychain, repository, image)
	// On the way from a daemon the words of the registry replace containerd's, as seen with BuildKit v0.33.
	if answered, ok := errors.AsType[docker.Errors](err); ok {
		err = answered
	}
	if err != nil {
		return newDaemonError(repository, err.Error())
	}
	return nil
}

// newDaemonError returns a daemon's error about a push.
func newDaemonError(repository, text string) error {
	return &registry.DaemonError{Repository: repository, Text: text,
		Cause: errors.New("pushing to " + repository + ": " + text)}
}

// containerdPush pushes an image with containerd's pusher, and returns its error.
func containerdPush(ctx context.Context, t *testing.T, keychain *registry.Keychain, repository string,
	image v1.Image) error {
	t.Helper()
	s, manifest, layers := storeImage(t, image)
	credentials := func(host string) (string, string, error) {
		found, err := keychain.Lookup(ctx, host)
		return found.Username, found.Password, registry.ForDaemon(err)
	}
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: docker.ConfigureDefaultRegistries(
		docker.WithPlainHTTP(docker.MatchLocalhost),
		docker.WithAuthorizer(docker.NewDockerAuthorizer(docker.WithAuthCreds(credentials))),
	)})
	pusher, err := resolver.Pusher(ctx, repository)
	if err != nil {
		return err
	}
	for _, desc := range append(layers, manifest) {
		if _, err := images.Handlers(remotes.PushHandler(pusher, s)).Handle(ctx, desc); err != nil {
			return err
		}
	}
	return nil
}
