//go:build linux

package e2e

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestNonInteractiveOutputHasALinePerFinishedStep(t *testing.T) {
	t.Parallel()
	dockerfile := "FROM BUSYBOX\nRUN echo one\nRUN for i in 1 2 3 4 5 6; do sleep 2; echo tick $i; done; : " +
		rand.Text() + "\nRUN echo three\n"
	s := open(t, project(t, twoPlatforms+"buildOnPreview: false\n", map[string]string{"Dockerfile": dockerfile}))
	result := s.Up("--skip-preview")
	succeeds(t, result)
	slowest := regexp.MustCompile(`built and pushed in \S+s, \S+s of it running step \[3/4\] RUN for i in .* \(linux/`)
	if !slowest.MatchString(result.Stdout) {
		t.Errorf("no line about the time:\n%s", result.All())
	}
	finished := slowest.ReplaceAllString(result.Stdout, "")
	for _, step := range []string{"RUN echo one", "RUN for i in 1 2 3 4 5 6", "RUN echo three"} {
		for _, platform := range []string{"linux/amd64", "linux/arm64"} {
			if got := linesWith(finished, step, platform); got != 1 {
				t.Errorf("%d lines for %q on %s, want 1:\n%s", got, step, platform, result.All())
			}
		}
	}
	if linesWith(result.Stdout, "tick 3") > 0 {
		t.Errorf("a successful step's output is shown:\n%s", result.All())
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// linesWith returns the number of lines that contain every text.
func linesWith(output string, texts ...string) int {
	count := 0
lines:
	for line := range strings.Lines(output) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		count++
	}
	return count
}

// BuildKit pads the number of a step in a stage of ten steps or more.
func TestStagesOfTenStepsHaveALinePerFinishedStep(t *testing.T) {
	t.Parallel()
	var dockerfile strings.Builder
	dockerfile.WriteString("FROM BUSYBOX\n")
	for i := range 10 {
		fmt.Fprintf(&dockerfile, "RUN echo step-%d\n", i+1)
	}
	dockerfile.WriteString("RUN exit 3\n")
	s := open(t, project(t, "platforms: [linux/amd64]\nbuildOnPreview: false\n",
		map[string]string{"Dockerfile": dockerfile.String()}))
	result := s.Up("--skip-preview")
	fails(t, result, "linux/amd64: step [12/12] RUN exit 3: exit code 3")
	for i := range 10 {
		if got := linesWith(result.Stdout, fmt.Sprintf("[%d/12]", i+2),
			fmt.Sprintf("RUN echo step-%d", i+1)); got != 1 {
			t.Errorf("%d lines for step %d, want 1:\n%s", got, i+1, result.All())
		}
	}
}
