package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// Delete removes the tags that we pushed and that still point at our digest, and nothing else: whatever else holds the
// digest goes on holding it, a tag that another image of the program has by now stays, and so does one with {hash} that was
// there before us. A tag that is gone already is success; every failure is reported.
func (r *imageResource) Delete(ctx context.Context, req p.DeleteRequest) error {
	args, err := decodeStored(ctx, req.OldInputs)
	if err != nil {
		return err
	}
	ctx, stop := withinLimit(ctx, deleteLimit)
	defer stop()
	client := r.registryClient(args.Registries, deleteLimit)
	old := stateOf(req.Properties)
	var failures []error
	for _, ref := range old.refs {
		if r.claims.holds(ref, old.digest) || r.isWanted(ref) || slices.Contains(old.found, ref) {
			continue
		}
		if err := deleteTag(ctx, client, ref, old.digest); err != nil {
			failures = append(failures, r.withLoginHint(args, err))
		}
	}
	return errors.Join(failures...)
}

// withLoginHint says where the refused logins come from: what the engine does without the program, it does with the ones in
// the state, and who has corrected the program finds them refused again.
func (s *settings) withLoginHint(args ImageArgs, err error) error {
	refused := errors.Is(err, registry.ErrUnauthorized) || errors.Is(err, registry.ErrDenied)
	if !refused || len(args.Registries)+len(s.get().Registries) == 0 {
		return err
	}
	return fmt.Errorf("%w; these are the logins of the last update, so give new ones to pulumi up first", err)
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

// want notes the tags that the program has for an image. In a replacement the engine calls Create, then Delete, for one URN,
// after a rename for two; one that was interrupted in between leaves the Delete to a later process, where nothing but Check
// tells that the tags are in use.
//
// UNFORTUNATELY this is about one program: of two stacks that share a tag, one removes the other's as long as it holds the
// very digest of the image that is deleted. A refresh of the other shows it, and its next update puts it back.
func (r *imageResource) want(urn resource.URN, inputs property.Map) {
	var refs []string
	for _, t := range texts(inputs, "tags") { // one with {hash} is sparing by nature: the same inputs only have it
		if tag, err := registry.ParseTag(t); err == nil && pushes(inputs) {
			refs = append(refs, tag.String())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted[urn] = refs
}

// isWanted tells whether an image of the program that runs has this tag. No program runs in a destroy.
func (r *imageResource) isWanted(ref string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, refs := range r.wanted {
		if slices.Contains(refs, ref) {
			return true
		}
	}
	return false
}
