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

// Delete removes the tags that we pushed and that still point at our digest, and nothing else: whatever else holds the
// digest goes on holding it, a tag with {hash} that was there before us stays with whoever pushed it, and one that another
// image of the program has by now stays too. A tag that is gone already is success; every failure is reported.
func (r *imageResource) Delete(ctx context.Context, req p.DeleteRequest) error {
	args, err := decodeStored(ctx, req.OldInputs)
	if err != nil {
		return err
	}
	r.notes.endPreview()
	ctx, stop := withinLimit(ctx, deleteLimit)
	defer stop()
	w := newStage(ctx, "deleting tags")
	client := r.settings.registryClient(w, r.settings.keychain(w, args.Registries), deleteLimit)
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

// withRetainRemedy says how to be rid of an image whose tags nobody deletes here: Docker Hub and ghcr.io delete none, elsewhere it may be a matter
// of rights.
func withRetainRemedy(err error) error {
	if !errors.Is(err, fault.ErrUnsupported) && !errors.Is(err, fault.ErrDenied) {
		return err
	}
	return fmt.Errorf("%w; or leave what is tagged there: set the resource option retainOnDelete: true, run pulumi up, and then destroy", err)
}

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

// setProgramRefs notes the references that the program has for an image. Claims are of one run: the deletion that an interrupted
// replacement left behind is made by a later one, in which nothing is created and Check alone tells what is in use.
func (r *imageResource) setProgramRefs(op operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.programRefs[op.urn] = references(op.tags.list)
}

// addProgramRefs notes more references of an image that the program has. In a refresh no program runs, and none is noted.
func (r *imageResource) addProgramRefs(urn resource.URN, refs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, checked := r.programRefs[urn]; checked {
		r.programRefs[urn] = slices.Concat(known, refs)
	}
}

// isInProgram tells whether an image of the program that runs has this reference. In a destroy no program runs, or none is
// checked.
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
