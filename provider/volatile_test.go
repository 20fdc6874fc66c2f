package provider

import (
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
)

// TestVolatileArgsAreNoReasonToBuild: neither a new value nor the argument itself. Any other argument is.
func TestVolatileArgsAreNoReasonToBuild(t *testing.T) {
	t.Parallel()
	applied := `{"contextHash": "c", "buildArgs": {"A": "1", "COMMIT": "1"}}`
	for name, test := range map[string]struct{ inputs, want string }{
		"another value": {`"buildArgs": {"A": "1", "COMMIT": "2"}, "volatileArgs": ["COMMIT"]`, ""},
		"no argument":   {`"buildArgs": {"A": "1"}, "volatileArgs": ["COMMIT"]`, ""},
		"not known yet": {`"buildArgs": {"A": "1", "COMMIT": "?"}, "volatileArgs": ["COMMIT"]`, ""},
		"another argument": {
			`"buildArgs": {"A": "2", "COMMIT": "2"}, "volatileArgs": ["COMMIT"]`, "buildArgs.A:update",
		},
		"no longer volatile": {`"buildArgs": {"A": "1", "COMMIT": "2"}`, "buildArgs.COMMIT:update"},
		"a name of nothing": {
			`"buildArgs": {"A": "1", "COMMIT": "2"}, "volatileArgs": ["COMIT"]`, "buildArgs.COMMIT:update",
		},
	} {
		res, err := serve(t).Diff(p.DiffRequest{
			Urn: urn, State: props(t, applied), Inputs: props(t, `{"contextHash": "c", `+test.inputs+`}`),
		})
		if got := changesOf(res); err != nil || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}

// TestVolatileArgsAreInNoHash: {hash} is that of the same inputs without the argument.
func TestVolatileArgsAreInNoHash(t *testing.T) {
	t.Parallel()
	hashOf := func(inputs string) string {
		args, _, err := decode(t.Context(), props(t, inputs))
		if err != nil {
			t.Fatal(err)
		}
		return inputsHash(args)
	}
	without := hashOf(`{"buildArgs": {"A": "1"}}`)
	if got := hashOf(`{"buildArgs": {"A": "1", "COMMIT": "2"}, "volatileArgs": ["COMMIT"]}`); got != without {
		t.Error("a volatile argument is in the hash")
	}
	if got := hashOf(`{"buildArgs": {"A": "1", "COMMIT": "2"}}`); got == without {
		t.Error("no argument is in the hash")
	}
}

// TestCheckOfVolatileArgsAndWatchSecrets checks that Check reports every mistake at once, and no value of a secret.
func TestCheckOfVolatileArgsAndWatchSecrets(t *testing.T) {
	t.Parallel()
	expectFailures(t, `{"contextHash": "c", "dockerfile": {"inline": "FROM scratch\n"}, "context": {"location": "APP"},
		"buildArgs": {"A": "1"}, "volatileArgs": ["", "A=1", "A", "B", "?"],
		"secrets": {"token": "secret:CANARY", "later": "?"}, "secretSources": {"file": {"env": "X"}},
		"watchSecrets": ["token", "tokn", "file", "later", "?"]}`, map[string]string{
		"volatileArgs[0]": "a name is needed, that of an argument in buildArgs",
		"volatileArgs[1]": `"A=1": write only the name here, and the value in buildArgs`,
		"watchSecrets[1]": "secrets has no such id: write one of its ids",
		"watchSecrets[2]": "no state has the value of a secret of secretSources, so a change of it cannot be seen: " +
			"give it in secrets, or do not watch it",
	})
}

// expectFailures checks that Check finds exactly these failures. APP is a build context.
func expectFailures(t *testing.T, inputs string, want map[string]string) {
	t.Helper()
	res := runCheck(t, inputs)
	for _, failure := range res.Failures {
		if want[failure.Property] != failure.Reason {
			t.Errorf("%s: %s", failure.Property, failure.Reason)
		}
		delete(want, failure.Property)
	}
	for path, reason := range want {
		t.Errorf("no failure of %s: %s", path, reason)
	}
}
