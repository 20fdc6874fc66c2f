package inputs

import "testing"

var libContext = map[string]string{"lib": "/nowhere"}

var remoteContexts = map[string]string{
	"img":  "docker-image://example.com/i:1",
	"git":  "https://example.com/g.git",
	"none": "docker-image://scratch",
}

var contextPredictions = map[string]predictionCase{
	"a fetched context": {
		dockerfile: "FROM scratch\nCOPY --from=img /a /a",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "named-img: *",
	},
	"a fetched base": {
		dockerfile: "FROM img\nCOPY f /x",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "context: f; named-img: *",
	},
	"a fetched mount": {
		dockerfile: "FROM scratch\nRUN --mount=from=git,target=/m ls /m",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "named-git: *",
	},
	"a fetched one, unused": {
		dockerfile: "FROM b\nCOPY f /x",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "context: f",
	},
	"in an unused stage": {
		dockerfile: "FROM img AS u\nFROM b\nCOPY f /x",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "context: f",
	},
	"in a test": {
		dockerfile: "FROM img AS t\nFROM b\nCOPY f /x",
		plan:       Plan{TestTargets: []string{"t"}, Files: Files{Named: remoteContexts}},
		want:       "context: f; named-img: *",
	},
	"nothing, as context": {
		dockerfile: "FROM none\nCOPY f /x",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "context: f; named-none: *",
	},
	"fetched, by platform": {
		dockerfile: "FROM img AS s390x\nFROM scratch AS amd64\nFROM scratch AS arm64\nFROM ${TARGETARCH}\nCOPY f /x",
		plan:       Plan{Files: Files{Named: remoteContexts}},
		want:       "context: f; named-git: *; named-img: *; named-none: *",
	},
	"a fetched main context": {
		dockerfile: "FROM b",
		plan:       Plan{Files: Files{Context: "https://example.com/a.git", Inline: []byte("FROM b")}},
		want:       "context: *",
	},
	"a named context": {
		dockerfile: "FROM b\nCOPY --from=lib n /x/",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "named-lib: n",
	},
	"a named context, all": {
		dockerfile: "FROM b\nCOPY --from=lib / /x/\nCOPY f /f",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "context: f; named-lib: *",
	},
	"a named context's bind": {
		dockerfile: "FROM b\nRUN --mount=type=bind,from=lib,source=n,target=/m ls /m",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "named-lib: n",
	},
	"a named context, base": {
		dockerfile: "FROM lib\nCOPY f /f",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "context: f; named-lib: *",
	},
	"a named context unused": {
		dockerfile: "FROM b\nCOPY f /f",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "context: f",
	},
}

// Named contexts, remote contexts and images are read only if the Dockerfile asks for them.
func TestPredictContexts(t *testing.T) {
	t.Parallel()
	testPredictions(t, contextPredictions)
}
