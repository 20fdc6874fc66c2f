package provider

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/distribution/reference"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func checkHosts(c *checker) {
	for i, host := range c.args.AddHosts {
		if c.unknownAt(key("addHosts"), index(i)) {
			continue
		}
		if _, err := parseHosts(host); err != nil {
			c.fail(fmt.Sprintf("addHosts[%d]", i), "%v", err)
		}
	}
}

func checkNetwork(c *checker) {
	known := []NetworkMode{NetworkDefault, NetworkHost, NetworkNone}
	if n := c.args.Network; n != nil && !slices.Contains(known, *n) && isKnown(c.raw, "network") {
		c.fail("network", "%q is not known: it is default, host or none", *n)
	}
}

// checkSSH checks the ids, and looks for no agent and no key: a machine that builds nothing needs none.
func checkSSH(c *checker) {
	seen := map[string]bool{}
	for i, s := range c.args.SSH {
		if c.unknownAt(key("ssh"), index(i), key("id")) {
			continue
		}
		path := fmt.Sprintf("ssh[%d].id", i)
		switch {
		case s.ID == "":
			c.fail(path, "an agent needs an id, by which a step mounts it: default is that of a mount without one")
		case seen[s.ID]:
			c.fail(path, "%q is the id of another agent: keep one of them", s.ID)
		}
		seen[s.ID] = true
	}
}

// checkTestTargets looks for the stages in the Dockerfile.
func checkTestTargets(c *checker) {
	checkStages(c, "testTargets", c.args.TestTargets, "FROM … AS test")
}

// checkNoCacheFilter looks for the stages in the Dockerfile. BuildKit would ignore a stage that is not there.
func checkNoCacheFilter(c *checker) {
	filter := c.args.NoCacheFilter
	if len(filter) > 0 && deref(c.args.NoCache) && isKnown(c.raw, "noCache") {
		c.fail("noCacheFilter", "noCache runs the steps of all stages again: leave one of the two out")
	}
	checkStages(c, "noCacheFilter", filter, "FROM … AS build")
	for i, stage := range filter {
		path := fmt.Sprintf("noCacheFilter[%d]", i)
		_, err := strconv.Atoi(stage)
		if (err == nil || strings.Contains(stage, ",")) && !c.hasFailure(path) {
			c.fail(path, "%q is not the name of a stage: give it one, as in FROM … AS build, and write that", stage)
		}
	}
}

// checkStages looks for stages in the Dockerfile, if it can be read. checkDockerfile reports its other mistakes.
func checkStages(c *checker, input string, stages []string, example string) {
	if !isKnown(c.raw, "dockerfile") || c.args.Dockerfile == nil && c.unknownAt(key("context"), key("location")) {
		return
	}
	_, text, err := c.readDockerfile()
	if err != nil || hasOtherFrontend(c.args) { // only that frontend knows the syntax
		return
	}
	for i, stage := range stages {
		path := fmt.Sprintf("%s[%d]", input, i)
		if c.unknownAt(key(input), index(i)) {
			continue
		}
		if stage == "" {
			c.fail(path, "name a stage of the Dockerfile: %s", example)
		}
		var noStage *inputs.TargetError
		if errors.As(inputs.CheckDockerfile(text.Text, stage), &noStage) {
			c.fail(path, "%v", noStage)
		}
	}
}

func checkAllow(c *checker) {
	for i, entitlement := range c.args.Allow {
		if !c.unknownAt(key("allow"), index(i)) && !buildkit.IsEntitlement(entitlement) {
			c.fail(fmt.Sprintf("allow[%d]", i), "%q is not known: it is network.host, security.insecure, device or "+
				"device=NAME", entitlement)
		}
	}
}

func checkAnnotations(c *checker) {
	for _, name := range slices.Sorted(maps.Keys(c.args.Annotations)) {
		if name == "" || strings.ContainsFunc(name, unicode.IsSpace) || hasControl(name) {
			c.fail(under("annotations", name), "%q cannot be the name of an annotation: write one without white "+
				"space, such as org.opencontainers.image.source", name)
		}
	}
}

// lastSecond is the last second since 1970 whose nanoseconds fit into 64 bits, in the year 2262.
const lastSecond = math.MaxInt64/1_000_000_000 - 1

func checkEpoch(c *checker) {
	epoch := c.raw.Get("sourceDateEpoch")
	if !epoch.IsNumber() || c.hasFailure("sourceDateEpoch") {
		return
	}
	if seconds := epoch.AsNumber(); seconds < 0 || seconds > lastSecond {
		c.fail("sourceDateEpoch", "%v is not a time: give whole seconds since 1970, such as 1700000000", seconds)
	}
	if _, twice := c.args.BuildArgs["SOURCE_DATE_EPOCH"]; twice {
		c.fail("buildArgs.SOURCE_DATE_EPOCH", "sourceDateEpoch sets this argument: leave it out")
	}
}

func checkAttestations(c *checker) {
	modes := []ProvenanceMode{ProvenanceMin, ProvenanceMax}
	if p := c.args.Provenance; p != nil && !slices.Contains(modes, p.Mode) && isKnown(c.raw, "provenance") {
		c.fail("provenance.mode", "%q is not known: it is min or max", p.Mode)
	}
	if s := c.args.SBOM; s != nil && isKnown(c.raw, "sbom") {
		if _, err := reference.ParseNormalizedNamed(s.Generator); err != nil {
			c.fail("sbom.generator", "%q is not an image: %v; BuildKit's own generator is "+
				"docker/buildkit-syft-scanner:stable-1", s.Generator, err)
		}
	}
}
