package provider

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// checker collects the failures and warnings about inputs.
type checker struct {
	ctx      context.Context //nolint:containedctx // lives as long as one Check
	raw      property.Map    // the inputs with unknown values
	args     ImageArgs       // the inputs with zero for unknown values
	config   Config          // of the provider
	failures []p.CheckFailure
	warnings []string
	promised promises // what the other images of this preview will make
	awaited  bool     // another image will write a file or folder that contextHash depends on

	downloads *inputs.Downloads // the Dockerfiles at URLs
}

// files returns where the Dockerfile and the build contexts are.
func (c *checker) files() inputs.Files {
	files := c.args.files()
	files.Downloads = c.downloads
	return files
}

// plan returns what to build, as far as it is known.
func (c *checker) plan() inputs.Plan {
	plan := c.args.plan(nil)
	plan.Files.Downloads, plan.UnknownArgs = c.downloads, unknownBuildArgs(c)
	return plan
}

// warn adds a warning, which Check logs. The warning must quote no secret.
func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, withRemedies(args)...))
}

// fail adds a failure under a path. If the value there is a secret, it hides the reason.
func (c *checker) fail(path, format string, args ...any) {
	reason := login.Hide(fmt.Sprintf(format, withRemedies(args)...))
	if c.isSecret(path) {
		reason = "this is not valid; the reason is not shown, because the value is a secret"
	}
	c.failures = append(c.failures, p.CheckFailure{Property: path, Reason: reason})
}

// failWithoutValue adds a failure whose reason quotes no value, so that it can be shown even if the value is a secret.
func (c *checker) failWithoutValue(path, reason string) {
	c.failures = append(c.failures, p.CheckFailure{Property: path, Reason: reason})
}

// isSecret tells whether the value at a path is a secret, contains one or is part of one.
func (c *checker) isSecret(path string) bool {
	segments, err := resource.ParsePropertyPath(path)
	if err != nil {
		return true
	}
	v := property.New(c.raw)
	for _, s := range segments {
		switch s := s.(type) {
		case string:
			if !v.IsMap() {
				return v.HasSecrets()
			}
			v = v.AsMap().Get(s)
		case int:
			if !v.IsArray() || s >= v.AsArray().Len() {
				return v.HasSecrets()
			}
			v = v.AsArray().Get(s)
		}
		if v.Secret() {
			return true
		}
	}
	return v.HasSecrets()
}

// hasFailure tells whether the property, or a part of it, has a failure.
func (c *checker) hasFailure(key string) bool {
	for _, f := range c.failures {
		rest, ok := strings.CutPrefix(f.Property, key)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// unknownAt tells whether the value at a path, or a part of it, is unknown. It returns false for a path without a
// value.
func (c *checker) unknownAt(segments ...property.PathSegment) bool {
	v := property.New(c.raw)
	for _, s := range segments {
		if v.IsComputed() {
			return true
		}
		next, err := property.PathFromSegments(s).Get(v)
		if err != nil {
			return false
		}
		v = next
	}
	return v.HasComputed()
}

func key(name string) property.PathSegment { return property.NewSegment(name) }
func index(i int) property.PathSegment     { return property.NewSegment(i) }
