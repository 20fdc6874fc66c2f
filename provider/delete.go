package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// deleteTags removes the tags of the state that still point at its digest, but for those that keep reports. It reports
// every failure. A tag that is gone already is no failure.
func deleteTags(
	ctx context.Context, settings *settings, req p.DeleteRequest, keep func(ref, digest string) bool,
) error {
	args, err := decodeStored(ctx, req.OldInputs)
	if err != nil {
		return err
	}
	ctx, stop := withinLimit(ctx, deleteLimit)
	defer stop()
	w := newStage(ctx, "deleting tags")
	client := settings.registryClient(ctx, w, settings.keychain(ctx, w, args.Registries), deleteLimit)
	old := stateOf(req.Properties)
	var failures []error
	var deleted []string
	for _, ref := range old.refs {
		if slices.Contains(old.others, ref) || keep(ref, old.digest) {
			continue
		}
		if err := deleteTag(ctx, client, ref, old.digest); err != nil {
			failures = append(failures, settings.withLoginRemedy(args, explainRegistry(err)))
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
