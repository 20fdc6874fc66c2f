package provider

import (
	"context"
	"errors"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

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
	client := registry.New(registry.NewKeychain(logins(args.Registries)), registry.Options{})
	old := stateOf(req.Properties)
	var failures []error
	for _, ref := range old.refs {
		if r.claimed(req.Urn, ref) {
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

// claim notes that this process made the tags hold the image of the URN. In a replacement the engine calls Create, then
// Delete, for one URN: Delete must spare what Create has just made.
func (r *imageResource) claim(urn resource.URN, tags []registry.Tag) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.created[urn] == nil {
		r.created[urn] = map[string]bool{}
	}
	for _, t := range tags {
		r.created[urn][t.String()] = true
	}
}

func (r *imageResource) claimed(urn resource.URN, ref string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.created[urn][ref]
}
