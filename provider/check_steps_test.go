package provider

import (
	"fmt"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// wrongSteps holds inputs about steps that Check refuses: the path of the failure and a part of its reason.
var wrongSteps = map[string]struct{ inputs, path, reason string }{
	"no address": {
		`"addHosts": ["db:10.0.0.1", "db"]`, "addHosts[1]",
		`"db" is not a host: write name:address, as in db:10.0.0.5`,
	},
	"not an address":               {`"addHosts": ["db:10.0.0.256"]`, "addHosts[0]", "write name:address"},
	"no host name":                 {`"addHosts": [":10.0.0.1"]`, "addHosts[0]", "write name:address"},
	"two lines in one":             {`"addHosts": ["a,b:10.0.0.1"]`, "addHosts[0]", "write name:address"},
	"several addresses, one wrong": {`"addHosts": ["db=10.0.0.1,x"]`, "addHosts[0]", "write name:address"},
	"no such permission": {
		`"allow": ["network.host", "root"]`, "allow[1]", `"root" is not known: it is network.host`,
	},
	"no such stage without cache": {`"noCacheFilter": ["tests"]`, "noCacheFilter[0]", `no stage "tests"`},
	"a stage by its number":       {`"noCacheFilter": ["0"]`, "noCacheFilter[0]", "is not the name of a stage"},
	"no cache twice": {
		`"noCacheFilter": ["app"], "noCache": true`, "noCacheFilter", "noCache runs the steps of all stages again",
	},
	"another mode of an export": {
		`"exports": [{"local": {"dest": "out", "mode": "move"}}]`, "exports[0].local", "it is copy or delete",
	},
	"an export over the program": {
		`"exports": [{"local": {"dest": ".", "mode": "delete"}}]`, "exports[0].local", "mode: delete would remove",
	},
	"an export over the context": {
		`"exports": [{"local": {"dest": "APP", "mode": "delete"}}]`, "exports[0].local", "mode: delete would remove",
	},
	"a raw export over the context": {
		`"exports": [{"raw": "type=local,dest=APP,mode=delete"}]`, "exports[0].raw", "mode: delete would remove",
	},
	"another cache behind a reference": {
		`"cacheTo": [{"registry": {"ref": "a.io/b:c,type=gha"}}]`, "cacheTo[0].registry.ref",
		"type=gha cannot stand behind a reference",
	},
	"no option behind a reference": {
		`"cacheFrom": [{"registry": {"ref": "a.io/b:c,max"}}]`, "cacheFrom[0].registry.ref", `"max" is not name=value`,
	},
	"another network": {
		`"network": "bridge"`, "network", `"bridge" is not known: it is default, host or none`,
	},
	"an agent without an id": {`"ssh": [{"id": ""}]`, "ssh[0].id", "needs an id"},
	"two agents of one id": {
		`"ssh": [{"id": "a"}, {"id": "a", "paths": ["b"]}]`, "ssh[1].id", `"a" is the id of another agent`,
	},
	"no such test":        {`"testTargets": ["app", "tests"]`, "testTargets[1]", `no stage "tests": it has app`},
	"no test":             {`"testTargets": [""]`, "testTargets[0]", "name a stage"},
	"a name with a space": {`"annotations": {"a b": "c"}`, `annotations["a b"]`, "without white space"},
	"a secret annotation": {
		`"annotations": {"a": "secret:hunter2"}`, "annotations.a", "can be read by everybody who can see the image",
	},
	"before 1970": {`"sourceDateEpoch": -1`, "sourceDateEpoch", "-1 is not a time"},
	"milliseconds": {
		`"sourceDateEpoch": 1700000000000`, "sourceDateEpoch", "give whole seconds since 1970",
	},
	"a fraction of a second": {`"sourceDateEpoch": 1.5`, "sourceDateEpoch", "it must be a whole number"},
	"the epoch twice": {
		`"sourceDateEpoch": 1, "buildArgs": {"SOURCE_DATE_EPOCH": "1"}`, "buildArgs.SOURCE_DATE_EPOCH",
		"sourceDateEpoch sets this argument",
	},
	"another mode": {`"provenance": {"mode": "full"}`, "provenance.mode", `"full" is not known: it is min or max`},
	"no generator": {`"sbom": {"generator": ""}`, "sbom.generator", "is not an image"},
	"not an image": {`"sbom": {"generator": "a,b"}`, "sbom.generator", "is not an image"},
}

func TestCheckOfSteps(t *testing.T) {
	t.Parallel()
	for name, c := range wrongSteps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, `+c.inputs+`}`, c.path, c.reason)
		})
	}
}

func TestCheckAcceptsValidSteps(t *testing.T) {
	t.Parallel()
	for _, inputs := range []string{
		`"addHosts": ["db:10.0.0.1", "db=10.0.0.1", "six:fd00::1", "six:[fd00::1]", "six=[fd00::1]"]`,
		`"addHosts": ["db=10.0.0.1,fd00::1,[fd00::2]", "host.docker.internal:host-gateway"]`,
		`"allow": ["network.host", "security.insecure", "device", "device=vendor.com/gpu=0"]`,
		`"noCacheFilter": ["app"]`, `"exec": false`, `"exec": true`, `"ignoreSecretsInDiffCalculation": ["a"]`,
		`"exports": [{"local": {"dest": "APP/dist", "mode": "delete"}}]`,
		`"exports": [{"local": {"dest": ".", "mode": "copy"}}]`, `"secrets": {"empty": ""}`,
		`"cacheTo": [{"registry": {"ref": "a.io/b:c,mode=max"}}, {"local": {"dest": "c", "reset": true}}]`,
		`"network": "none"`, `"network": "host"`, `"network": "default"`,
		`"ssh": [{"id": "default"}, {"id": "deploy", "paths": ["/nowhere/key"]}]`,
		`"testTargets": ["app"]`,
		`"sourceDateEpoch": 0`, `"sourceDateEpoch": 1700000000`,
		`"provenance": {"mode": "min"}, "sbom": {"generator": "docker/buildkit-syft-scanner:stable-1"}`,
	} {
		if res := runCheck(t, `{"context": {"location": "APP"}, `+inputs+`}`); len(res.Failures) > 0 {
			t.Errorf("%s: %v", inputs, res.Failures)
		}
	}
}

// An unknown value counts neither as wrong nor as missing. No preview builds without it.
func TestCheckLeavesUnknownStepsAlone(t *testing.T) {
	t.Parallel()
	for inputs, hashed := range map[string]bool{
		`"addHosts": ["?"]`:              true,
		`"addHosts": "?"`:                true,
		`"network": "?"`:                 true,
		`"ssh": [{"id": "?"}]`:           true,
		`"ssh": "?"`:                     true,
		`"noCache": "?"`:                 true,
		`"testTargets": ["app", "?"]`:    false,
		`"annotations": {"a": "?"}`:      true,
		`"sourceDateEpoch": "?"`:         true,
		`"provenance": {"mode": "?"}`:    true,
		`"sbom": {"generator": "?"}`:     true,
		`"sbom": "?"`:                    true,
		`"provenance": "?"`:              true,
		`"ssh": [{"id": "a"}, "?"]`:      true,
		`"annotations": "?"`:             true,
		`"testTargets": "?"`:             false,
		`"ssh": [{"id":"","paths":"?"}]`: true,
	} {
		res := runCheck(t, `{"context": {"location": "APP"}, `+inputs+`}`)
		wrong := strings.Contains(inputs, `"id":""`)
		if (len(res.Failures) > 0) != wrong {
			t.Errorf("%s: failures %v", inputs, res.Failures)
		}
		if known := !res.Inputs.Get("contextHash").HasComputed(); known != hashed {
			t.Errorf("%s: contextHash is known: %v", inputs, known)
		}
		if isKnown(res.Inputs, buildInputs...) {
			t.Errorf("%s: the preview would build", inputs)
		}
	}
}

// Every input that changes the image counts for the inputs hash, and Diff watches it.
func TestEveryShapingInputIsHashed(t *testing.T) {
	t.Parallel()
	variants := map[string][]string{
		"contextHash": {`"a"`, `"b"`}, "platforms": {`["linux/amd64"]`, `["linux/arm64"]`}, "target": {`"a"`, `"b"`},
		"buildArgs": {`{"A": "1"}`, `{"A": "2"}`, `{"B": "1"}`}, "labels": {`{"A": "1"}`, `{"A": "2"}`, `{"B": "1"}`},
		"annotations": {`{"A": "1"}`, `{"A": "2"}`, `{"B": "1"}`}, "testTargets": {`["a"]`, `["b"]`, `["a", "b"]`},
		"addHosts": {
			`["a:10.0.0.1"]`, `["a:10.0.0.2"]`, `["a:10.0.0.1", "b:10.0.0.2"]`,
		}, "network": {`"none"`, `"host"`},
		"sourceDateEpoch": {
			`0`, `1`,
		}, "provenance": {`{"mode": "min"}`, `{"mode": "max"}`}, "sbom": {`{"generator": "a"}`, `{"generator": "b"}`},
		"baseDigests": {`{"a": "1"}`, `{"a": "2"}`, `{"b": "1"}`},
		"exports": {
			`[{"image": {"compression": "zstd"}}]`, `[{"image": {"compression": "gzip"}}]`,
			`[{"registry": {"annotations": {"a": "b"}}}]`,
		},
	}
	seen := map[string]string{}
	note := func(inputs string) {
		args, _, err := decode(t.Context(), props(t, inputs))
		if err != nil {
			t.Fatal(err)
		}
		hash := inputsHash(args)
		if other, twice := seen[hash]; twice {
			t.Errorf("%s and %s have one hash", inputs, other)
		}
		seen[hash] = inputs
	}
	note(`{}`)
	for _, name := range imageInputs {
		if len(variants[name]) == 0 && name != "load" { // which leaves the image as it is
			t.Errorf("%s is not tested", name)
		}
		for _, variant := range variants[name] {
			note(fmt.Sprintf(`{%q: %s}`, name, variant))
		}
	}
}

// Different spellings of the same inputs are the same image.
func TestDiffAndHashOfEqualInputs(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{
			`{}`,
			`{"load": false, "exports": [], "network": "default", "addHosts": [], "annotations": {}, ` +
				`"testTargets": []}`,
		},
		{`{"testTargets": ["a", "b"]}`, `{"testTargets": ["b", "a"]}`},
		{
			`{"sourceDateEpoch": 0}`,
			`{"sourceDateEpoch": 0, "noCache": true, "ssh": [{"id": "default"}], "secrets": {"a": "b"}}`,
		},
	} {
		applied, wanted := props(t, pair[0]), props(t, pair[1])
		diff, err := serve(t).Diff(p.DiffRequest{ID: "app", Urn: urn, State: repeatedInputs(applied), Inputs: wanted})
		if err != nil || diff.HasChanges {
			t.Errorf("%v: %v, %v", pair, diff, err)
		}
		before, _, _ := decode(t.Context(), applied)
		after, _, _ := decode(t.Context(), wanted)
		if inputsHash(before) != inputsHash(after) {
			t.Errorf("%v: other hashes", pair)
		}
	}
}

func TestDiffSeesInputsThatShapeTheImage(t *testing.T) {
	t.Parallel()
	for inputs, want := range map[string]string{
		`{"network": "none"}`:                   "network:add",
		`{"addHosts": ["a:10.0.0.1"]}`:          "addHosts[0]:add",
		`{"annotations": {"a": "b"}}`:           "annotations.a:add",
		`{"testTargets": ["t"]}`:                "testTargets[0]:add",
		`{"sourceDateEpoch": 0}`:                "sourceDateEpoch:add",
		`{"provenance": {"mode": "max"}}`:       "provenance.mode:add",
		`{"sbom": {"generator": "a"}}`:          "sbom.generator:add",
		`{"exports": [{"tar": {"dest": "a"}}]}`: "exports[0].tar.dest:add",
		`{"load": true}`:                        "load:add",
	} {
		diff, err := serve(t).Diff(p.DiffRequest{ID: "app", Urn: urn, State: property.Map{}, Inputs: props(t, inputs)})
		if err != nil || changesOf(diff) != want {
			t.Errorf("%s: got %s, %v", inputs, changesOf(diff), err)
		}
	}
}
