package inputs

import (
	"strconv"
	"strings"
)

// FrontendOptions returns the options of the Dockerfile frontend
// (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md and frontend/dockerui).
func (p Plan) FrontendOptions(texts Texts) map[string]string {
	options := map[string]string{"filename": texts.Name}
	if len(p.Platforms) > 0 {
		options["platform"] = strings.Join(p.Platforms, ",")
	}
	if p.Target != "" {
		options["target"] = p.Target
	}
	for name, value := range p.BuildArgs {
		options["build-arg:"+name] = value
	}
	for name, value := range p.Labels {
		options["label:"+name] = value
	}
	for name := range p.Files.Named {
		options["context:"+contextName(name)] = "local:" + namedContextSource(name)
	}
	p.Files.addRemoteOptions(options)
	p.addStepOptions(options)
	p.addAttestationOptions(options)
	if syntax, ok := p.servedSyntax(texts.Dockerfile); ok {
		options["cmdline"] = syntax
	}
	return options
}

// addStepOptions adds the options of what runs in steps.
func (p Plan) addStepOptions(options map[string]string) {
	if p.Network != "" {
		options["force-network-mode"] = p.Network
	}
	if len(p.Hosts) > 0 {
		lines := make([]string, len(p.Hosts))
		for i, h := range p.Hosts {
			lines[i] = h.Name + "=" + h.IP.String()
		}
		options["add-hosts"] = strings.Join(lines, ",") // neither a name nor an address has a comma
	}
	switch {
	case p.NoCache:
		options["no-cache"] = "" // of all stages
	case len(p.NoCacheOf) > 0:
		options["no-cache"] = strings.Join(p.NoCacheOf, ",") // the name of a stage has no comma
	}
	p.Limits.addOptions(options)
	if p.Epoch != nil {
		options["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(*p.Epoch, 10)
	}
}

// addAttestationOptions adds the options of provenance and SBOM.
func (p Plan) addAttestationOptions(options map[string]string) {
	if p.Provenance != "" {
		options["attest:provenance"] = "mode=" + p.Provenance
	}
	if p.SBOM != "" {
		options["attest:sbom"] = "generator=" + p.SBOM // a reference has no comma
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
