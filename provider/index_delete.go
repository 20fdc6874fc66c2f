package provider

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
)

// deleteIndexTag removes the tag of the state if it still points at its digest, unless keep reports it. A tag that is
// gone already is no failure.
func deleteIndexTag(
	ctx context.Context, settings *settings, req p.DeleteRequest, keep func(ref, digest string) bool,
) error {
	args, err := decodeStoredIndex(ctx, req.OldInputs)
	if err != nil {
		return err
	}
	ctx, stop := withinLimit(ctx, deleteLimit)
	defer stop()
	w := newStage(ctx, "deleting the tag")
	client := settings.registryClient(ctx, w, settings.keychain(ctx, w, args.registries()), deleteLimit)
	old := indexStateOf(req.Properties)
	for _, ref := range old.refs {
		if keep(ref, old.digest) {
			continue
		}
		if err := deleteTag(ctx, client, ref, old.digest); err != nil {
			logins := ImageArgs{Registries: args.registries()}
			err = withRetainRemedy(settings.withLoginRemedy(logins, explainRegistry(err)))
			return w.explain(err, deletedText(nil))
		}
	}
	return nil
}
