package provider

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fleet is a simulated machine that runs Pulumi, and builders that share images. The code of the provider decides which
// builder has which image.
type fleet struct {
	builders []int         // of each image, by number
	cores    int           // of the machine of Pulumi
	parallel int           // pulumi up --parallel
	steps    int           // that a builder runs at a time
	compute  time.Duration // of a core of that machine, for each image
	build    time.Duration // of one image on a builder: one step, and what the builder does besides
}

// newFleet returns a fleet with builders for a number of images. The format makes the names of the builders.
func newFleet(builders, images int, format string) fleet {
	f := fleet{cores: 4, parallel: 512, steps: 4, compute: 70 * time.Millisecond, build: 30 * time.Second}
	var all []measured
	for i := range builders {
		all = append(all, sharer(fmt.Sprintf(format, i), x86))
	}
	for i := range images {
		chosen, _ := assign([]string{"linux/amd64"}, all, fmt.Sprintf("app/image-%d", i))
		f.builders = append(f.builders, chosen["linux/amd64"])
	}
	return f
}

// podFormat makes the addresses of the pods in the example for Kubernetes.
const podFormat = "tcp://builder-amd64-%d.builder-amd64-pods.ci.svc:1234"

// earliest moves the earliest of the times at which somebody is free to the end of work, which begins then or at ready.
func earliest(free []time.Duration, ready, work time.Duration) (end time.Duration) {
	i := slices.Index(free, slices.Min(free))
	free[i] = max(free[i], ready) + work
	return free[i]
}

// up returns how long an update of images takes that all have to be built. Each waits for its place among those that
// the engine runs at once, for a core of that machine, and for a step on its builder, in this order.
func (f fleet) up(images int) (took time.Duration) {
	places, cores := make([]time.Duration, f.parallel), make([]time.Duration, f.cores)
	steps := map[int][]time.Duration{}
	for _, on := range f.builders[:images] {
		if steps[on] == nil {
			steps[on] = make([]time.Duration, f.steps)
		}
		place := slices.Index(places, slices.Min(places))
		ready := earliest(cores, places[place], f.compute)
		places[place] = earliest(steps[on], ready, f.build)
		took = max(took, places[place])
	}
	return took
}

// rows returns a table: an update of 1 to 1,000 images on fleets of more and more builders.
func rows(fleets []fleet, parallel int) string {
	var text strings.Builder
	for _, images := range []int{1, 10, 100, 1000} {
		fmt.Fprintf(&text, "| %d |", images)
		for _, f := range fleets {
			f.parallel = parallel
			fmt.Fprintf(&text, " %s |", f.up(images).Round(time.Second))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// The page on scale has the figures of the simulation.
func TestScalePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	var fleets []fleet
	for _, builders := range []int{1, 2, 5, 10, 20, 50} {
		fleets = append(fleets, newFleet(builders, 1000, podFormat))
	}
	for _, parallel := range []int{512, 16} {
		if want := rows(fleets, parallel); !strings.Contains(string(text), want) {
			t.Errorf("with --parallel %d, docs/scale.md has not the rows\n%s", parallel, want)
		}
	}
}

// The simulation agrees with real builders: BenchmarkNodes of test/e2e updates 24 images with one step of 4 s on
// builders that run two steps at a time. The time of one builder gives what a build costs besides its step. The names
// of the builders differ in each run, and so does how evenly they share.
func TestSimulationAgainstBuilders(t *testing.T) {
	t.Parallel()
	const images = 24
	took := map[int]time.Duration{1: 57200 * time.Millisecond, 2: 41900 * time.Millisecond, 4: 23600 * time.Millisecond}
	for builders, real := range took {
		var simulated []time.Duration
		for run := range 200 {
			f := newFleet(builders, images, fmt.Sprintf("unix:///tmp/remote-%d-%%d/b.sock", run))
			f.cores, f.parallel, f.steps, f.build = 2, 32, 2, took[1]*2/images
			simulated = append(simulated, f.up(images))
		}
		slices.Sort(simulated)
		low, median, high := simulated[10], simulated[100], simulated[190]
		t.Logf("%d builders: %s, simulated %s (%s to %s)", builders, real, median, low, high)
		if real < low-time.Second || real > high+time.Second {
			t.Errorf("%d builders: took %s, in 9 of 10 simulations %s to %s", builders, real, low, high)
		}
	}
}
