package provider

import (
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
)

// TestAWatchedSecretIsAReasonToBuild: its value in the old and the new inputs decides. Other secrets are no reason, nor
// is the beginning of the watch.
func TestAWatchedSecretIsAReasonToBuild(t *testing.T) {
	t.Parallel()
	const watched = `{"contextHash": "c", "secrets": {"a": "secret:1", "b": "secret:1"}, "watchSecrets": ["a"]}`
	for name, test := range map[string]struct{ old, inputs, want string }{
		"the same":       {watched, watched, ""},
		"another secret": {watched, `"secrets": {"a": "secret:1", "b": "secret:2"}, "watchSecrets": ["a"]`, ""},
		"another value":  {watched, `"secrets": {"a": "secret:2"}, "watchSecrets": ["a"]`, "secrets.a:update"},
		"not known yet":  {watched, `"secrets": {"a": "?"}, "watchSecrets": ["a"]`, "secrets.a:update"},
		"one more": {
			watched, `"secrets": {"a": "secret:1", "c": "secret:1"}, "watchSecrets": ["a", "c"]`, "secrets.c:add",
		},
		"a plain value": {watched, `"secrets": {"a": "1"}, "watchSecrets": ["a"]`, ""},
		"a new watch":   {watched, `"secrets": {"a": "secret:1", "b": "secret:1"}, "watchSecrets": ["a", "b"]`, ""},
		"no watch":      {watched, `"secrets": {"a": "secret:2"}`, ""},
		"no old inputs": {`{}`, `"secrets": {"a": "secret:2"}, "watchSecrets": ["a"]`, ""},
	} {
		inputs := test.inputs
		if inputs[0] != '{' {
			inputs = `{"contextHash": "c", ` + inputs + `}`
		}
		res, err := serve(t).Diff(p.DiffRequest{
			Urn: urn, State: props(t, `{"contextHash": "c"}`), OldInputs: props(t, test.old), Inputs: props(t, inputs),
		})
		if got := changesOf(res); err != nil || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}

// TestAWatchedSecretReusesNothing: no image of before is taken, whether applied, remembered or under {hash}, and the
// builder's cache is not used.
func TestAWatchedSecretReusesNothing(t *testing.T) {
	t.Parallel()
	resolve := func(old string) operation {
		inputs := props(t, `{"contextHash": "c", "tags": ["a.io/x:1"], "secrets": {"a": "secret:2"}, `+
			`"watchSecrets": ["a"]}`)
		args, _, err := decode(t.Context(), inputs)
		if err != nil {
			t.Fatal(err)
		}
		outputs := props(t, `{"contextHash": "c", "digest": "sha256:d", "refs": ["a.io/x:1"]}`)
		past := []pastBuild{{inputs: inputsHash(args), digest: "sha256:d"}}
		outputs = outputs.Set(pastBuildsKey, pastBuildsValue(past))
		op, err := resolveOperation(request{
			urn: urn, inputs: inputs, old: stateOf(outputs), oldInputs: props(t, old),
		}, args)
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	same := resolve(`{"secrets": {"a": "secret:2"}}`)
	if same.pastDigest() != "sha256:d" || !same.unchanged || same.plan.NoCache {
		t.Errorf("without a change: %q, %v, %v", same.pastDigest(), same.unchanged, same.plan.NoCache)
	}
	changed := resolve(`{"secrets": {"a": "secret:1"}}`)
	if changed.pastDigest() != "" || changed.unchanged || changed.isBuilt() || !changed.plan.NoCache {
		t.Errorf("after a change: %q, %v, %v", changed.pastDigest(), changed.unchanged, changed.plan.NoCache)
	}
}
