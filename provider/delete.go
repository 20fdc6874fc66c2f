package provider

import (
	"context"
	"errors"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// Delete removes the tags that we pushed and that still point at our digest, and nothing else: whatever else holds the
// digest goes on holding it. A tag that is gone already is success; every failure is reported.
func (r *imageResource) Delete(ctx context.Context, req p.DeleteRequest) error {
	args, err := decodeStored(ctx, req.OldInputs)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, registryLimit, fmt.Errorf("the registry took longer than %s", registryLimit))
	defer stop()
	client := r.registryClient(args.Registries)
	old := stateOf(req.Properties)
	var failures []error
	for _, ref := range old.refs {
		if r.claimed(ref, old.digest) {
			continue
		}
		if err := deleteTag(ctx, client, ref, old.digest); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func deleteTag(ctx context.Context, client *registry.Client, ref, digest string) error {
	tag, err := registry.ParseTag(ref)
	if err != nil {
		return err
	}
	_, err = client.DeleteTag(ctx, tag, digest)
	if errors.Is(err, registry.ErrNoRepository) {
		return nil
	}
	return err
}

// claim notes what this process made tags hold. In a replacement the engine calls Create, then Delete, for one URN, and after
// a rename for two: Delete must spare what Create has just made.
//
// UNFORTUNATELY another process knows nothing of it: a deletion that an interrupted replacement left behind, or one of two
// stacks that share a tag, removes a tag that somebody else counts on, as long as it holds the very digest of the one that
// is deleted. The next update of the other puts it back.
func (r *imageResource) claim(result applied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range result.tags {
		r.moved[t.String()] = result.digest
	}
}

func (r *imageResource) claimed(ref, digest string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved[ref] == digest
}
