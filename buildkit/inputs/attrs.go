package inputs

import (
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// FrontendAttrs are the options of the Dockerfile frontend
// (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md and frontend/dockerui).
func (p Plan) FrontendAttrs(d Definition) map[string]string {
	attrs := map[string]string{"filename": d.Name}
	if len(p.Platforms) > 0 {
		attrs["platform"] = strings.Join(p.Platforms, ",")
	}
	if p.Target != "" {
		attrs["target"] = p.Target
	}
	for name, value := range p.BuildArgs {
		attrs["build-arg:"+name] = value
	}
	for name, value := range p.Labels {
		attrs["label:"+name] = value
	}
	for name := range p.Files.Named {
		attrs["context:"+contextName(name)] = "local:" + localName(name)
	}
	p.Files.remoteAttrs(attrs)
	p.stepAttrs(attrs)
	p.attestationAttrs(attrs)
	if syntax, ok := p.servedSyntax(d.Dockerfile); ok {
		attrs["cmdline"] = syntax
	}
	return attrs
}

// stepAttrs are the options of what runs in steps.
func (p Plan) stepAttrs(attrs map[string]string) {
	if p.Network != "" {
		attrs["force-network-mode"] = p.Network
	}
	if len(p.Hosts) > 0 {
		lines := make([]string, len(p.Hosts))
		for i, h := range p.Hosts {
			lines[i] = h.Name + "=" + h.IP.String()
		}
		attrs["add-hosts"] = strings.Join(lines, ",") // neither a name nor an address has a comma
	}
	if p.NoCache {
		attrs["no-cache"] = "" // of all stages
	}
	if p.Epoch != nil {
		attrs["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(*p.Epoch, 10)
	}
}

// attestationAttrs are the options of what an image says of itself.
func (p Plan) attestationAttrs(attrs map[string]string) {
	if p.Provenance != "" {
		attrs["attest:provenance"] = "mode=" + p.Provenance
	}
	if p.SBOM != "" {
		attrs["attest:sbom"] = "generator=" + p.SBOM // a reference has no comma
	}
}

// ContextName is the form in which the frontend looks a named context up: docker.io/library/golang:latest is golang.
func ContextName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name, err
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

// contextName is ContextName of a name that was checked.
func contextName(name string) string {
	canonical, _ := ContextName(name)
	return canonical
}

// officialSyntax tells whether the Dockerfile's "# syntax=" line asks for the official frontend, of which this program holds
// a copy of its own: it then serves the build itself. Without that, every such Dockerfile – most in the world – would pull
// an image from Docker Hub first. Labs, digests and other images are forwarded as asked.
func officialSyntax(dockerfile []byte) (string, bool) {
	_, line, _, ok := parser.DetectSyntax(dockerfile)
	if !ok {
		return "", false
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", false
	}
	ref := strings.TrimPrefix(words[0], "docker.io/")
	name, tag, _ := strings.Cut(ref, ":")
	if name != "docker/dockerfile" || !isServedTag(tag) {
		return "", false
	}
	return line, true
}

// frontendMinor is the minor version of the Dockerfile frontend in the BuildKit release that this module is built with:
// v0.33 goes with docker/dockerfile:1.27.
const frontendMinor = 27

// isServedTag is true for "", "1" and "1.N" or "1.N.P" up to the frontend's own minor version.
func isServedTag(tag string) bool {
	if tag == "" || tag == "1" {
		return true
	}
	major, rest, _ := strings.Cut(tag, ".")
	minor, patch, _ := strings.Cut(rest, ".")
	n, ok := parseNumber(minor)
	_, patchOK := parseNumber(patch)
	return major == "1" && ok && n <= frontendMinor && (patch == "" || patchOK)
}

func parseNumber(s string) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' || len(s) > 4 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, s != ""
}
