package provider

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// wrongNames holds inputs that Check refuses: the path of the failure and a part of its reason.
var wrongNames = map[string]struct{ inputs, path, reason string }{
	"no argument": {`"buildArgs": {"": "x"}`, `buildArgs[""]`, "that of an ARG in the Dockerfile"},
	"an assignment": {
		`"buildArgs": {"A=B": "x"}`, `buildArgs["A=B"]`, `write the name and the value apart, as "A": "B"`,
	},
	"a line break": {
		`"buildArgs": {"A\nB": "x"}`, `buildArgs["A\nB"]`, "without white space and control characters",
	},
	"a space": {
		`"buildArgs": {"A B": "x"}`, `buildArgs["A B"]`, "without white space and control characters",
	},
	"a NUL": {
		`"buildArgs": {"A\u0000": "x"}`, `buildArgs["A\x00"]`, "without white space and control characters",
	},
	"an escape": {
		`"buildArgs": {"A\u001b[2J": "x"}`, `buildArgs["A\x1b[2J"]`, "without white space and control characters",
	},
	"a NUL in an argument":   {`"buildArgs": {"A": "x\u0000"}`, "buildArgs.A", "it has a NUL character"},
	"no label":               {`"labels": {"": "x"}`, `labels[""]`, "a label needs a key"},
	"a broken label":         {`"labels": {"a\nb": "x"}`, `labels["a\nb"]`, "without control characters"},
	"a NUL in a label":       {`"labels": {"a": "\u0000"}`, "labels.a", "it has a NUL character"},
	"a broken annotation":    {`"annotations": {"a\u0007": "x"}`, `annotations["a\a"]`, "without white space"},
	"a NUL in an annotation": {`"annotations": {"a": "\u0000"}`, "annotations.a", "it has a NUL character"},
	"a broken secret":        {`"secrets": {"a\nb": "x"}`, `secrets["a\nb"]`, "has a control character"},
	"a broken source": {
		`"secretSources": {"a\rb": {"env": "X"}}`, `secretSources["a\rb"]`, "has a control character",
	},
	"no variable": {
		`"secretSources": {"a": {"env": "X=Y"}}`, "secretSources.a.env", "write it without =",
	},
	"a NUL in a file": {
		`"secretSources": {"a": {"file": "x\u0000"}}`, "secretSources.a.file", "it has a NUL character",
	},
	"a broken agent": {`"ssh": [{"id": "a\nb"}]`, "ssh[0].id", "has a control character"},
	"a NUL in a key": {
		`"ssh": [{"id": "a", "paths": ["x\u0000"]}]`, "ssh[0].paths[0]", "it has a NUL character",
	},
	"a broken host":      {`"addHosts": ["a\u0000b:10.0.0.1"]`, "addHosts[0]", "has a control character"},
	"a NUL in a context": {`"contextHash": "x\u0000"`, "", "contextHash: it has a NUL character"},
	"two lines of a cache": {
		`"cacheTo": [{"raw": "type=registry,ref=a.io/b\ntype=local,dest=/etc"}]`, "cacheTo[0].raw",
		"write all options in one line",
	},
	"two lines of an export": {
		`"exports": [{"raw": "type=local,dest=a\nx"}]`, "exports[0].raw", "write all options in one line",
	},
	"a NUL in a cache": {
		`"cacheFrom": [{"raw": "type=local,src=a\u0000"}]`, "cacheFrom[0].raw", "write all options in one line",
	},
	"a NUL in a path": {
		`"exports": [{"tar": {"dest": "a\u0000"}}]`, "exports[0].tar.dest", "it has a NUL character",
	},
	"another cache": {
		`"cacheFrom": [{"raw": "type=oci,src=a"}]`, "cacheFrom[0].raw", "type=oci is not known",
	},
	"an inline source": {
		`"cacheFrom": [{"raw": "type=inline"}]`, "cacheFrom[0].raw", "type=inline is not known",
	},
	"a cache without place": {
		`"cacheTo": [{"raw": "type=local,src=a"}]`, "cacheTo[0].raw", "type=local needs dest=…",
	},
	"a cache without ref": {
		`"cacheTo": [{"raw": "type=registry"}]`, "cacheTo[0].raw", "type=registry needs ref=…",
	},
	"a cache nowhere": {
		`"cacheTo": [{"raw": "type=registry,ref=A B"}]`, "cacheTo[0].raw", "is not a reference",
	},
	"another configuration": {
		`"exports": [{"raw": "type=image,containerimage.config={}"}]`, "exports[0].raw",
		"containerimage.config is BuildKit's own",
	},
	"a push in other words": {
		`"exports": [{"raw": "type=image,push=1"}]`, "exports[0].raw", "there is nothing to push to",
	},
	"an annotation in two": {
		`"exports": [{"image": {"annotations": {"a b": "c"}}}]`, "exports[0].image",
		"annotations: \"a b\" cannot be the name",
	},
}

// Check reports a careless or hostile value under this property, and says what to do.
func TestCheckRefusesNames(t *testing.T) {
	t.Parallel()
	for name, c := range wrongNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, `+c.inputs+`}`, c.path, c.reason)
		})
	}
}

// Check reports all mistakes at once.
func TestCheckReportsAllNames(t *testing.T) {
	t.Parallel()
	res := runCheck(t, `{"context": {"location": "APP"}, "buildArgs": {"": "x", "A=B": "y", "C": "z"}, `+
		`"labels": {"": "x"}, "target": "a\n"}`)
	var paths []string
	for _, f := range res.Failures {
		paths = append(paths, f.Property)
	}
	slices.Sort(paths)
	if got := strings.Join(paths, " "); got != `buildArgs[""] buildArgs["A=B"] labels[""] target` {
		t.Errorf("got %s", got)
	}
}

// Check accepts odd names that do no harm.
func TestCheckAcceptsOddNames(t *testing.T) {
	t.Parallel()
	for _, inputs := range []string{
		`"buildArgs": {"A-b.c": "several\nlines\tand \u001b", "é": ""}`, `"labels": {"a b": "x\ny", "=": "="}`,
		`"annotations": {"a=b": "x\ny"}`,
		`"secrets": {"a b": "\u0000binary"}`, `"ssh": [{"id": "a,b"}]`,
		`"platforms": ["linux/amd64", "linux/x86_64", "linux/amd64"]`,
		`"cacheTo": [{"raw": "type=s3,bucket=b,region=r,access_key_id=a,secret_access_key=s"}]`,
		`"exports": [{"raw": "type=image,oci-mediatypes=1,buildinfo=false"}]`,
	} {
		if res := runCheck(t, `{"context": {"location": "APP"}, `+inputs+`}`); len(res.Failures) > 0 {
			t.Errorf("%s: %v", inputs, res.Failures)
		}
	}
}

// A warning does not keep the image from being built.
func TestCheckWarns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ inputs, want string }{
		{
			`{"platforms": ["linux/amd64", "linux/arm64", "linux/x86_64"]}`,
			`platforms[2]: "linux/x86_64" and "linux/amd64" are one platform, linux/amd64, which counts once`,
		},
		{`{"platforms": ["linux/arm64", "linux/arm64/v8"]}`, "are one platform, linux/arm64"},
		{`{"platforms": ["linux/amd64", "linux/arm64"]}`, ""},
		{
			`{"cacheTo": [{"raw": "type=s3,bucket=b,region=r,secret_access_key=CANARY"}]}`,
			"cacheTo[0].raw: secret_access_key is stored as plain text in the state",
		},
		{`{"cacheTo": [{"raw": "secret:type=s3,bucket=b,region=r,secret_access_key=CANARY"}]}`, ""},
		{
			`{"cacheFrom": [{"raw": "type=gha,token=CANARY"}], "cacheTo": [{"raw": "type=gha,token="}]}`,
			"cacheFrom[0].raw: token is stored as plain text",
		},
	} {
		raw := props(t, test.inputs)
		args, failures, err := decode(t.Context(), raw)
		if err != nil || len(failures) > 0 {
			t.Fatal(err, failures)
		}
		c := &checker{raw: raw, args: args}
		checkPlatforms(c)
		checkCacheFrom(c)
		checkCacheTo(c)
		got := strings.Join(c.warnings, "; ")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) || strings.Contains(got, "CANARY") {
			t.Errorf("%s: got %q, want %q", test.inputs, got, test.want)
		}
	}
}

// Options that pass the checks are one line of a known type. Those that say where an image goes do not reach the
// builder as they are, and none replaces what was built.
func FuzzRaw(f *testing.F) {
	for _, text := range []string{
		"type=registry,ref=a.io/b", "a.io/b:c", "type=local,dest=a,\"mode=b,c\"", "type=image,push=1",
		"type=image,push-by-digest=,name=a", " TYPE =image, Registry.Insecure =T",
		"type=oci,dest=a,tar=false", "type=image\ntype=registry", "\"", "type=image,containerimage.config={}",
		"type=s3,bucket=b\x00", "type=image,\"a\"\"=b\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		c := &checker{raw: props(t, `{}`), args: ImageArgs{}}
		for _, input := range []string{"cacheFrom", "cacheTo"} {
			c.failures = nil
			checkRawCache(c, input, input+"[0].raw", text)
			cache, _ := rawCache(text)
			if _, known := cacheTypes[cache.Type]; len(c.failures) == 0 && (!known || hasControl(text)) {
				t.Errorf("%q passes as %s: %v", text, input, cache)
			}
		}
		form, err := rawExport(text)
		if err != nil || exportMistake(c, form) != nil {
			return
		}
		options := optionMap(imageOptions(ImageArgs{Exports: []Export{{Raw: &text}}}))
		if hasControl(text) || options.isOn("push-by-digest") || options.isOn("registry.insecure") ||
			options["name"] != "" || options.isOn("push") {
			t.Errorf("%q passes as an export: %+v", text, form)
		}
	})
}
