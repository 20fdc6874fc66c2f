package buildkit

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/entitlements"
)

// CompatibilityVersion pins how a daemon assembles manifests, or the upgrade of a builder would change every digest.
// 30 is the version of BuildKit v0.31 and later (docs/build-repro.md of BuildKit).
const CompatibilityVersion = 30

// frontendAttrs are the options of the Dockerfile frontend
// (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md and frontend/dockerui).
func (p Plan) frontendAttrs(d Definition) map[string]string {
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

// entitlements are what the plan asks of the daemon that not every daemon grants.
func (p Plan) entitlements() []string {
	if p.Network == "host" {
		return []string{entitlements.EntitlementNetworkHost.String()}
	}
	return nil
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

// images are the image, pushed by digest to all repositories: twice where the daemon has to be told to be less strict with some of them,
// because it then is with all of one export. There are none when nobody gets the image.
func (p Plan) images() []client.ExportEntry {
	if p.WithoutImage {
		return nil
	}
	strict := slices.DeleteFunc(slices.Clone(p.Repositories), func(r string) bool { return slices.Contains(p.Insecure, r) })
	if len(strict) == len(p.Repositories) {
		return []client.ExportEntry{p.image(strict)}
	}
	lax := p.image(p.Insecure)
	lax.Attrs["registry.insecure"] = "true"
	if len(strict) == 0 {
		return []client.ExportEntry{lax}
	}
	return []client.ExportEntry{p.image(strict), lax}
}

// image is the image, pushed by digest. Every option that has a say in the digest is written out.
func (p Plan) image(repositories []string) client.ExportEntry {
	attrs := map[string]string{
		"oci-mediatypes":    "true",
		"oci-artifact":      "false",
		"compression":       "gzip",
		"force-compression": "false",
		"store":             "false",
	}
	maps.Copy(attrs, p.ImageAttrs)
	if p.Epoch != nil {
		attrs["rewrite-timestamp"] = "true"
	}
	for name, value := range p.Annotations {
		attrs[exptypes.AnnotationManifestKey(nil, name)] = value
		if p.IsIndex() { // BuildKit refuses annotations of an index that is none
			attrs[exptypes.AnnotationIndexKey(name)] = value
		}
	}
	if len(repositories) > 0 {
		attrs["name"] = strings.Join(repositories, ",")
		attrs["push"] = "true"
		attrs["push-by-digest"] = "true"
	}
	return client.ExportEntry{Type: client.ExporterImage, Attrs: attrs}
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
	if name != "docker/dockerfile" || !servedTag(tag) {
		return "", false
	}
	return line, true
}

// frontendMinor is the minor version of the Dockerfile frontend in the BuildKit release that this module is built with:
// v0.33 goes with docker/dockerfile:1.27.
const frontendMinor = 27

// servedTag is true for "", "1" and "1.N" or "1.N.P" up to the frontend's own minor version.
func servedTag(tag string) bool {
	if tag == "" || tag == "1" {
		return true
	}
	major, rest, _ := strings.Cut(tag, ".")
	minor, patch, _ := strings.Cut(rest, ".")
	n, ok := number(minor)
	_, patchOK := number(patch)
	return major == "1" && ok && n <= frontendMinor && (patch == "" || patchOK)
}

func number(s string) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' || len(s) > 4 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, s != ""
}
