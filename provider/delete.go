package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Delete removes the tags that we pushed and that still point at our digest. It reports every failure. A tag that is
// gone already is no failure.
//
// Three kinds of tags stay: tags that hold another digest, a tag with {hash} that somebody else pushed before us, and
// one that another image of the program has by now.
func (r *imageResource) Delete(ctx context.Context, req p.DeleteRequest) error {
	args, err := decodeStored(ctx, req.OldInputs)
	if err != nil {
		return err
	}
	r.notes.endPreview()
	ctx, stop := withinLimit(ctx, deleteLimit)
	defer stop()
	w := newStage(ctx, "deleting tags")
	client := r.settings.registryClient(ctx, w, r.settings.keychain(ctx, w, args.Registries), deleteLimit)
	old := stateOf(req.Properties)
	var failures []error
	var deleted []string
	for _, ref := range old.refs {
		if r.recentPushes.holds(ref, old.digest) || slices.Contains(old.found, ref) || r.isInProgram(ref) {
			continue
		}
		if err := deleteTag(ctx, client, ref, old.digest); err != nil {
			failures = append(failures, r.settings.withLoginRemedy(args, explainRegistry(err)))
			continue
		}
		deleted = append(deleted, ref)
	}
	return w.explain(withRetainRemedy(errors.Join(failures...)), deletedText(deleted))
}

// withRetainRemedy adds how to get rid of an image whose tags cannot be deleted here. Docker Hub and ghcr.io delete no
// tags; elsewhere permissions may be missing.
func withRetainRemedy(err error) error {
	if !errors.Is(err, fault.ErrUnsupported) && !errors.Is(err, fault.ErrDenied) {
		return err
	}
	return fmt.Errorf("%w; or leave what is tagged there: set the resource option retainOnDelete: true, run "+
		"pulumi up, and then destroy", err)
}

// deleteTag removes a tag if it holds the digest. A repository that is gone is no failure.
func deleteTag(ctx context.Context, client *registry.Client, ref, digest string) error {
	tag, err := registry.ParseTag(ref)
	if err != nil {
		return err
	}
	_, err = client.DeleteTag(ctx, tag, digest)
	if errors.Is(err, fault.ErrNoRepository) {
		return nil
	}
	return err
}

// setProgramRefs records the references that an image of the program has.
//
// recentPushes are those of one run. A later run may delete what an interrupted replacement left behind. It creates
// nothing, so only Check tells which references are in use.
func (r *imageResource) setProgramRefs(op operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.programRefs[op.urn] = references(op.tags.list)
}

// addProgramRefs records more references of an image of the program. In a refresh no program runs, and nothing is
// recorded.
func (r *imageResource) addProgramRefs(urn resource.URN, refs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, checked := r.programRefs[urn]; checked {
		r.programRefs[urn] = slices.Concat(known, refs)
	}
}

// isInProgram tells whether an image of the running program has this reference. In a destroy no program runs, or
// nothing is checked.
func (r *imageResource) isInProgram(ref string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, refs := range r.programRefs {
		if slices.Contains(refs, ref) {
			return true
		}
	}
	return false
}
