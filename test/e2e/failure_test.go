//go:build linux

package e2e

import (
	"regexp"
	"strings"
	"testing"
)

func TestAStepThatFailsOnOnePlatformMovesNoTag(t *testing.T) {
	t.Parallel()
	dockerfile := `FROM BUSYBOX
RUN echo fine
RUN echo first words; test "$(uname -m)" = x86_64 || { echo last words; exit 42; }
`
	s := open(t, project(t, twoPlatforms+"buildOnPreview: false\n", map[string]string{"Dockerfile": dockerfile}))
	fails(t, s.Up(), "linux/arm64", "exit code 42", "last words", "Dockerfile:3", ">>> RUN echo first words")
	if moved := fetchManifest(t, repository(t)+":1"); moved != nil {
		t.Errorf("the tag is at %s", moved.Digest)
	}
	if state := s.Export(); len(state) != 0 {
		t.Errorf("state: %+v", state)
	}
}

func TestAFailingStepFailsThePreview(t *testing.T) {
	t.Parallel()
	const printed = "failed to push ghcr.io/a/b: unexpected status from PUT request to https://ghcr.io/v2/: 503"
	s := open(t, project(t, twoPlatforms,
		map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN echo \"" + printed + "\"; exit 7\n"}))
	// The output of a step is not read as an answer of a registry.
	fails(t, s.Preview(), "exit code 7", "failed to push ghcr.io/a/b: unexpected status")
	if state := s.Export(); len(state) != 0 {
		t.Errorf("state: %+v", state)
	}
}

// The output of a step, and a comment beside it, do not decide which remedy its error shows.
func TestAFailingStepChoosesNoRemedy(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: . }\n", map[string]string{
		"Dockerfile": "FROM BUSYBOX\n# toomanyrequests: from hub: 429 Too Many Requests\n" +
			"RUN echo \"deploy: no SSH key for user bob\"; exit 7\n",
	}))
	result := s.Preview()
	fails(t, result, "exit code 7", "no SSH key for user bob", "# toomanyrequests: from hub")
	for _, remedy := range []string{"give the agent or keys with this id in ssh",
		"the registry limits how often images are pulled"} {
		if strings.Contains(result.All(), remedy) {
			t.Errorf("it says %q:\n%s", remedy, result.All())
		}
	}
}

func TestMissingSource(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, twoPlatforms, map[string]string{"Dockerfile": "FROM scratch\nCOPY hello.txt /\n"}))
	fails(t, s.Preview(), `"/hello.txt" is not there`,
		"COPY and ADD take files of the build context, without those that .dockerignore leaves out", "Dockerfile:2")
}

// goodDockerfile reads the whole build context.
const goodDockerfile = "FROM scratch\nCOPY . /\n"

// badInputs holds inputs with mistakes, and patterns of the failures.
var badInputs = []struct {
	name, properties string
	dockerfile       string
	want             []string // patterns
}{
	{
		name: "no such context", properties: "context: { location: ./nowhere }", dockerfile: goodDockerfile,
		want: []string{`context\.location: .*nowhere`},
	},
	{
		name: "no Dockerfile", properties: "context: { location: . }",
		want: []string{`dockerfile\.location: no Dockerfile at .*/program/Dockerfile`},
	},
	{
		name: "a syntax error", properties: "context: { location: . }", dockerfile: "FROM scratch\n\nCOPPY . /\n",
		want: []string{`dockerfile\.location: .*line 3.*COPPY`},
	},
	{
		name:       "both forms of Dockerfile",
		properties: "context: { location: . }\ndockerfile: { location: Dockerfile, inline: FROM scratch }",
		dockerfile: goodDockerfile, want: []string{`property dockerfile .*location.*inline`},
	},
	{
		name: "push without tags", properties: "context: { location: . }\npush: true", dockerfile: goodDockerfile,
		want: []string{`property push .*tags`},
	},
	{
		name: "several",
		properties: "context: { location: . }\nplatforms: [linux/amd64, linux/amd46]\n" +
			"tags: [\"app:1\", \"REPO/Capital:1\"]",
		dockerfile: goodDockerfile,
		want: []string{
			`platforms\[1\]: .*amd46`, `tags\[0\]: .*docker\.io/library`,
			`tags\[1\]: .*Capital`,
		},
	},
	{
		name:       "a branch as a tag",
		properties: "context: { location: . }\ntags: [\"ghcr.io/acme/app:feature/x\"]", dockerfile: goodDockerfile,
		want: []string{
			`tags\[0\]: .*app:feature/x" has "/" after the colon.*write ghcr\.io/acme/app:feature-x`,
		},
	},
}

// Each error is reported under its own path, all at once, before anything runs.
func TestBadInputs(t *testing.T) {
	t.Parallel()
	for _, c := range badInputs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"other": "x"}
			if c.dockerfile != "" {
				files["Dockerfile"] = c.dockerfile
			}
			s := open(t, project(t, c.properties, files))
			result := s.Preview()
			fails(t, result)
			for _, pattern := range c.want {
				if !regexp.MustCompile(pattern).MatchString(result.All()) {
					t.Errorf("the output lacks %s:\n%s", pattern, result.All())
				}
			}
		})
	}
}

// A preview reports no error about a value that another resource has yet to make.
func TestUnknownInputsAreNoErrors(t *testing.T) {
	t.Parallel()
	s := open(t, program(t, `resources:
  first:
    type: buildkit:Image
    properties:
      context: { location: . }
      platforms: [linux/amd64]
      buildOnPreview: false
      tags: ["REPO:first"]
  second:
    type: buildkit:Image
    properties:
      context: { location: . }
      platforms: [linux/amd64]
      buildArgs: { FROM: "${first.ref}" }
      tags: ["REPO:${hex}"]
variables:
  hex:
    fn::select: [1, { fn::split: [":", "${first.digest}"] }]
outputs:
  first: ${first.digest}
  second: ${second.ref}
`, map[string]string{"Dockerfile": "FROM BUSYBOX\nARG FROM=nothing\nRUN echo $FROM > /from\n"}))
	succeeds(t, s.Preview(), "+ 3 to create")
	succeeds(t, s.Up("--skip-preview"), "+ 3 created")
	var first, second map[string]any
	for _, resource := range s.Export() {
		if regexp.MustCompile(`::first$`).MatchString(resource.URN) {
			first = resource.Outputs
		} else {
			second = resource.Outputs
		}
	}
	hex, _ := first["digest"].(string)
	hex = hex[len("sha256:"):]
	if pushed := fetchManifest(t, repository(t)+":"+hex); pushed == nil || pushed.Digest.String() != second["digest"] {
		t.Errorf("tag %s: the registry serves %v, the output is %v", hex, pushed, second["digest"])
	}
	succeeds(t, s.Up("--expect-no-changes"), "3 unchanged")
	succeeds(t, s.Destroy("--skip-preview"), "- 3 deleted")
}
