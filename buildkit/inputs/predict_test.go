package inputs

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// predictText renders a prediction: "context: a b; named-lib: *", or "?" when it is uncertain.
func predictText(t *testing.T, plan Plan, dockerfile string) string {
	t.Helper()
	texts := Texts{Name: "Dockerfile", Dockerfile: []byte(dockerfile), Named: map[string][]byte{}}
	for name := range plan.Files.Named {
		texts.Named[name] = nil
	}
	p, err := predict(t.Context(), plan, texts)
	if err != nil {
		t.Fatal(err)
	}
	if p.doubt != "" {
		return "?"
	}
	var sources []string
	for _, name := range slices.Sorted(maps.Keys(p.Reads)) {
		paths := "*"
		if p.Reads[name] != nil {
			paths = strings.Join(p.Reads[name], " ")
		}
		sources = append(sources, name+": "+paths)
	}
	return strings.Join(sources, "; ")
}

const bothPlatforms = "linux/amd64,linux/arm64"

// predictionCase is a build and what it will read, as predictText renders it.
type predictionCase struct {
	dockerfile string
	plan       Plan
	want       string
}

// Where several base images would be resolved side by side the stages begin with scratch: BuildKit's frontend then
// writes a flag of its cache without a lock (frontend/dockerfile/builder/resolvecache.go), always the same value, which
// the race detector minds.
var predictions = map[string]predictionCase{
	"files":                 {dockerfile: "FROM b\nCOPY a.txt d/f /x/", want: "context: a.txt d/f"},
	"a folder":              {dockerfile: "FROM b\nCOPY d /x/", want: "context: d"},
	"everything":            {dockerfile: "FROM b\nCOPY . /x/", want: "context: *"},
	"everything and a file": {dockerfile: "FROM b\nCOPY a /a\nCOPY . /x/", want: "context: *"},
	"nothing":               {dockerfile: "FROM b\nRUN true", want: ""},
	"a wildcard":            {dockerfile: "FROM b\nCOPY d*/*.go /x/", want: "context: d*/*.go"},
	"a here document":       {dockerfile: "FROM b\nCOPY <<EOF /h\nhello\nEOF", want: ""},
	"an archive":            {dockerfile: "FROM b\nADD t.tar /x/", want: "context: t.tar"},
	"a URL":                 {dockerfile: "FROM b\nADD https://example.com/x /x/", want: ""},
	"a bind mount": {
		dockerfile: "FROM b\nRUN --mount=type=bind,source=d,target=/m ls /m",
		want:       "context: d",
	},
	"a bind mount of all": {dockerfile: "FROM b\nRUN --mount=type=bind,target=/m ls /m", want: "context: *"},
	"an argument":         {dockerfile: "FROM b\nARG D=d\nCOPY $D/f /x/", want: "context: d/f"},
	"a given argument": {
		dockerfile: "FROM b\nARG D=d\nCOPY $D/f /x/",
		plan:       Plan{BuildArgs: map[string]string{"D": "e"}},
		want:       "context: e/f",
	},
	"an unknown argument": {
		dockerfile: "FROM b\nARG D=d\nCOPY $D/f /x/",
		plan:       Plan{BuildArgs: map[string]string{"D": ""}, UnknownArgs: []string{"D"}},
		want:       "?",
	},
	"unknown, but no path": {
		dockerfile: "FROM b\nARG V\nCOPY f /x/\nRUN echo $V",
		plan:       Plan{BuildArgs: map[string]string{"V": ""}, UnknownArgs: []string{"V"}},
		want:       "context: f",
	},
	"a base image's":         {dockerfile: "FROM b\nCOPY $D/f /x/", want: "?"},
	"a base image's default": {dockerfile: "FROM b\nCOPY ${D:-d}/f /x/", want: "?"},
	"a stage that is unused": {dockerfile: "FROM b AS u\nCOPY u /u\nFROM b\nCOPY f /x", want: "context: f"},
	"a stage as the target": {
		dockerfile: "FROM b AS u\nCOPY u /u\nFROM b\nCOPY f /x",
		plan:       Plan{Target: "u"},
		want:       "context: u",
	},
	"a stage that is copied": {
		dockerfile: "FROM b AS u\nCOPY u /u\nFROM scratch\nCOPY --from=u /u/f /x",
		want:       "context: u",
	},
	"a test target": {
		dockerfile: "FROM b AS t\nCOPY t /t\nFROM b\nCOPY f /x",
		plan:       Plan{TestTargets: []string{"t"}},
		want:       "context: f t",
	},
	"an uncertain one": {
		dockerfile: "FROM b AS t\nCOPY $D/t /t\nFROM b\nCOPY f /x",
		plan:       Plan{TestTargets: []string{"t"}},
		want:       "?",
	},
	"all of it in a test": {
		dockerfile: "FROM b AS t\nCOPY . /t\nFROM b\nCOPY f /x",
		plan:       Plan{TestTargets: []string{"t"}},
		want:       "context: *",
	},
	"a scan of the context": {
		dockerfile: "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch",
		plan:       Plan{SBOM: "scanner"},
		want:       "context: *",
	},
	"a scan of what is read": {
		dockerfile: "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch\nCOPY f /x",
		plan:       Plan{SBOM: "scanner"},
		want:       "context: f",
	},
	"no scan of a test": {
		dockerfile: "FROM scratch AS t\nARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch\nCOPY f /x",
		plan:       Plan{SBOM: "scanner", TestTargets: []string{"t"}},
		want:       "context: f",
	},
	"an SBOM": {
		dockerfile: "FROM b\nCOPY f /x",
		plan:       Plan{SBOM: "scanner", Provenance: "max"},
		want:       "context: f",
	},
	"each platform": {
		dockerfile: "FROM scratch\nARG TARGETARCH\nCOPY bin/$TARGETARCH /x",
		plan:       Plan{Platforms: strings.Split(bothPlatforms, ",")},
		want:       "context: bin/amd64 bin/arm64",
	},
	"the builder's platform": {dockerfile: "FROM b\nARG TARGETARCH\nCOPY bin/$TARGETARCH /x", want: "?"},
	"the build platform": {
		dockerfile: "FROM scratch\nARG BUILDARCH\nCOPY bin/$BUILDARCH /x",
		plan:       Plan{Platforms: strings.Split(bothPlatforms, ",")},
		want:       "?",
	},
	"stages by platform": {
		dockerfile: "FROM scratch AS s-amd64\nCOPY a /x\nFROM scratch AS s-arm64\nCOPY c /x\nFROM s-${TARGETARCH}",
		plan:       Plan{Platforms: strings.Split(bothPlatforms, ",")},
		want:       "context: a c",
	},
	"the official syntax": {dockerfile: "# syntax=docker/dockerfile:1\nFROM b\nCOPY f /x", want: "context: f"},
	"another syntax":      {dockerfile: "# syntax=example.com/fe:1\nFROM b\nCOPY f /x", want: "?"},
	"a scan by argument": {
		dockerfile: "ARG BUILDKIT_SBOM_SCAN_CONTEXT=false\nFROM scratch",
		plan:       Plan{SBOM: "scanner", BuildArgs: map[string]string{"BUILDKIT_SBOM_SCAN_CONTEXT": "true"}},
		want:       "context: *",
	},
	"our own by argument": {
		dockerfile: "# syntax=example.com/fe:1\nFROM b\nCOPY f /x",
		plan:       Plan{BuildArgs: map[string]string{"BUILDKIT_SYNTAX": "dockerfile.v0"}},
		want:       "context: f",
	},
	"a syntax by argument": {
		dockerfile: "FROM b\nCOPY f /x",
		plan:       Plan{BuildArgs: map[string]string{"BUILDKIT_SYNTAX": "example.com/fe:1"}},
		want:       "?",
	},
	"lower case": {dockerfile: "from b\ncopy f /x", want: "context: f"},
	"odd names": {
		dockerfile: "FROM b\nCOPY [\"ünï dir\", \"p%20q\", \"/x/\"]",
		want:       "context: p%20q ünï dir",
	},
	"above the context":   {dockerfile: "FROM b\nCOPY ../f /x/", want: "context: f"},
	"parents":             {dockerfile: "FROM b\nCOPY --parents d/./s*/k /x/", want: "context: d/s*/k"},
	"excluded":            {dockerfile: "FROM b\nCOPY --exclude=*.go d /x/", want: "context: d"},
	"link":                {dockerfile: "FROM b\nCOPY --link d/*.go /x/", want: "context: d/*.go"},
	"a broken Dockerfile": {dockerfile: "FROM b\nCOPPY f /x/", want: "?"},
}

func TestPredict(t *testing.T) {
	t.Parallel()
	testPredictions(t, predictions)
}

func testPredictions(t *testing.T, cases map[string]predictionCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := predictText(t, c.plan, c.dockerfile); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A prediction stands in every Check: it must cost nothing that a person notices.
func BenchmarkPredict(b *testing.B) {
	texts := Texts{
		Name: "Dockerfile",
		Dockerfile: []byte("FROM b AS build\nCOPY go.mod *.go ./\nRUN go build\n" +
			"FROM b\nCOPY --from=build /x /x\nCOPY etc /etc"),
	}
	for b.Loop() {
		if p, err := predict(b.Context(), Plan{}, texts); p.doubt != "" || err != nil {
			b.Fatal(p.doubt, err)
		}
	}
}
