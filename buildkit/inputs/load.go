package inputs

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Load reads and records the local inputs of a plan. Of each context it records what the ignore file leaves in and,
// unless the plan says otherwise, what the Dockerfile reads. It records the whole of a context when what the Dockerfile
// reads cannot be told for certain.
//
// Its errors name the path that could not be read. An *EncodingError names a text that is not UTF-8.
func Load(ctx context.Context, plan Plan) (*Inputs, error) {
	return (*SharedScans)(nil).Load(ctx, plan, nil)
}

// Load does what the function Load does, with shared scans. The log gets at level debug why whole contexts are hashed,
// and why a scan is shared or not; nil discards that.
func (s *SharedScans) Load(ctx context.Context, plan Plan, log *slog.Logger) (*Inputs, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if plan.Pull {
		var err error
		if plan.Files, err = pinFiles(ctx, plan.Files); err != nil {
			return nil, err
		}
	}
	texts, err := readTexts(ctx, plan.Files)
	if err != nil {
		return nil, err
	}
	in := &Inputs{
		Texts: texts, files: plan.Files,
		contexts: map[string]localContext{}, urls: plan.Files.WithoutLogins().Remotes(),
		trees: map[string]*source.Tree{dockerfileSource: source.FromFiles(texts.frontendFiles())},
	}
	if in.predicted, err = predictPlan(ctx, plan, texts); err != nil {
		return nil, err
	}
	in.Certain = !plan.WatchAll && in.predicted.doubt == ""
	if in.predicted.doubt != "" {
		log.DebugContext(ctx, "whole build contexts are hashed", "reason", in.predicted.doubt)
	}
	if err := s.addTrees(ctx, plan, in, log); err != nil {
		return nil, err
	}
	return in, nil
}

// predictPlan predicts what the build reads, unless the plan takes whole contexts. A text with bytes that are not UTF-8
// is tried all the same, and an *EncodingError returned if no daemon can be sent it.
func predictPlan(ctx context.Context, plan Plan, texts Texts) (Prediction, error) {
	if !plan.WatchAll {
		return predict(ctx, plan, texts)
	}
	if _, ok := invalidByte(texts.Dockerfile); ok {
		if _, err := predict(ctx, plan, texts); errors.As(err, new(*EncodingError)) {
			return Prediction{}, err
		}
	}
	return Prediction{}, nil
}

// addTrees records the contexts on this machine, and sets the base of the key of their transfers.
func (s *SharedScans) addTrees(ctx context.Context, plan Plan, in *Inputs, log *slog.Logger) error {
	key := newSharedKey()
	if plan.Epoch != nil { // otherwise images with and without one would send the context anew by turns
		key.fields = append(key.fields, []byte("epoch"))
	}
	for _, c := range localContexts(plan.Files, in.Texts) {
		scope, err := c.scope(ctx, plan.Files, in.predicted.Reads)
		if err != nil {
			return c.withContextName(err)
		}
		in.contexts[c.source] = c
		if in.trees[c.source], err = s.scan(ctx, plan.Files, c.dir, scope, log); err != nil {
			return c.withContextName(c.withIgnoreFile(err, in.Texts))
		}
		if in.mayReadSource(c.source) {
			key.add(c, scope)
			key.fields = append(key.fields, in.trees[c.source].FolderModes())
		}
	}
	in.baseKey = key.String()
	return nil
}
