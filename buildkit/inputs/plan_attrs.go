package inputs

import (
	"strconv"
	"strings"
)

// FrontendAttrs returns the options of the Dockerfile frontend
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
		attrs["context:"+contextName(name)] = "local:" + namedContextSource(name)
	}
	p.Files.addRemoteAttrs(attrs)
	p.addStepAttrs(attrs)
	p.addAttestationAttrs(attrs)
	if syntax, ok := p.servedSyntax(d.Dockerfile); ok {
		attrs["cmdline"] = syntax
	}
	return attrs
}

// addStepAttrs adds the options of what runs in steps.
func (p Plan) addStepAttrs(attrs map[string]string) {
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
	switch {
	case p.NoCache:
		attrs["no-cache"] = "" // of all stages
	case len(p.NoCacheOf) > 0:
		attrs["no-cache"] = strings.Join(p.NoCacheOf, ",") // the name of a stage has no comma
	}
	if p.Epoch != nil {
		attrs["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(*p.Epoch, 10)
	}
}

// addAttestationAttrs adds the options of provenance and SBOM.
func (p Plan) addAttestationAttrs(attrs map[string]string) {
	if p.Provenance != "" {
		attrs["attest:provenance"] = "mode=" + p.Provenance
	}
	if p.SBOM != "" {
		attrs["attest:sbom"] = "generator=" + p.SBOM // a reference has no comma
	}
}

// servedSyntax returns the frontend that a build asks for. It returns false if the build asks for none, or for one that
// this program does not have itself.
func (p Plan) servedSyntax(dockerfile []byte) (string, bool) {
	syntax, ok := p.BuildArgs[syntaxArg]
	if !ok {
		return officialSyntax(dockerfile)
	}
	_, replaced := p.Files.Named[ownFrontend]
	return ownFrontend, IsOwnSyntax(syntax) && !replaced
}
