package buildkit_test

import (
	"context"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// random prints another text each time.
const random = "cat /proc/sys/kernel/random/uuid"

// exportCase is a build whose cache is exported.
type exportCase struct {
	dockerfile string
	change     func(s *stepBuilder, p *inputs.Plan)
	access     buildkit.Access
	times      int // how often it is built; 0 is once
}

// exportCases are the cases of TestExportRunsNoStep, by name. The first builds of those that ignore the cache leave
// other results in the daemon.
var exportCases = map[string]exportCase{
	"stages": {dockerfile: "FROM base AS part\nRUN " + random + " >/part\n" +
		"FROM base\nCOPY --from=part /part /\nRUN " + random + " >/uuid"},
	"files": {dockerfile: "COPY --link a /\nRUN --mount=type=bind,target=/b " + random + " >/uuid; cp /b/a /uuid2"},
	"the cache ignored": {
		dockerfile: "RUN " + random + " >/uuid", times: 3,
		change: func(_ *stepBuilder, p *inputs.Plan) { p.NoCache = true },
	},
	"the cache of a stage ignored": {
		dockerfile: "FROM base AS part\nRUN " + random + " >/part\nFROM base\nCOPY --from=part /part /uuid",
		times:      2,
		change:     func(_ *stepBuilder, p *inputs.Plan) { p.NoCacheOf = []string{"part"} },
	},
	"secrets": {
		dockerfile: "RUN --mount=type=secret,id=s cat /run/secrets/s >/dev/null; " + random + " >/uuid",
		access: buildkit.Access{Secrets: map[string]buildkit.Secret{
			"s": func(context.Context) ([]byte, error) { return []byte("canary"), nil },
		}},
	},
	"tests": {
		dockerfile: "FROM base AS test\nRUN " + random + "\nFROM base\nRUN " + random + " >/uuid",
		change:     func(_ *stepBuilder, p *inputs.Plan) { p.TestTargets = []string{"test"} },
	},
	"provenance": {
		dockerfile: "RUN " + random + " >/uuid",
		change:     func(_ *stepBuilder, p *inputs.Plan) { p.Provenance = "max" },
	},
	"an epoch and annotations": {
		dockerfile: "RUN " + random + " >/uuid",
		change: func(_ *stepBuilder, p *inputs.Plan) {
			p.Annotations, p.Epoch = map[string]string{"a": "b"}, new(int64)
		},
	},
	"two repositories": {
		dockerfile: "RUN " + random + " >/uuid",
		change: func(s *stepBuilder, p *inputs.Plan) {
			p.Repositories = append(p.Repositories, s.repository+"/other")
		},
	},
}
