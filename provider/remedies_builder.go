package provider

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shipped"
)

// knownForms lists the common forms of a builder's address.
const knownForms = "unix:///run/buildkit/buildkitd.sock, tcp://host:port, docker-container://name, docker:// or " +
	"local://"

// endpointRemedies are the remedies for a wrong address of a builder.
var endpointRemedies = map[endpoint.Fault]string{
	endpoint.NoURL:    "write " + knownForms,
	endpoint.Relative: "write unix:///run/buildkit/buildkitd.sock",
	endpoint.NoPort:   "write one, such as tcp://host:1234",
	endpoint.Scheme:   "use " + knownForms,
	endpoint.NotEmpty: "write local://",
}

// helperForms maps the schemes that need a program of this machine to the form of their addresses.
var helperForms = map[string]string{
	"docker-container":  "docker-container://CONTAINER",
	"podman-container":  "podman-container://CONTAINER",
	"nerdctl-container": "nerdctl-container://CONTAINER?namespace=NAMESPACE",
	"kube-pod":          "kube-pod://POD?namespace=NAMESPACE",
	"ssh":               "ssh://USER@HOST",
}

// explainEndpoint adds to the error about the address of a builder what to write instead.
func explainEndpoint(err error) error {
	wrong, ok := errors.AsType[*endpoint.SyntaxError](err)
	switch {
	case !ok:
		return err
	case wrong.Fault == endpoint.HelperSyntax:
		return fmt.Errorf("%w: write %s", err, helperForms[wrong.Scheme()])
	case endpointRemedies[wrong.Fault] == "":
		return err
	}
	return fmt.Errorf("%w: %s", err, endpointRemedies[wrong.Fault])
}

// explainBuilder adds a remedy to the error about a builder that was not found or does not answer.
func explainBuilder(err error) error {
	if named, ok := err.(*sourceError); ok { //nolint:errorlint // the source stands before the whole message
		return &sourceError{source: named.source, cause: explainBuilder(named.cause)}
	}
	if none, ok := errors.AsType[*noBuilderError](err); ok {
		explained := &noBuilderError{}
		for _, tried := range none.tried {
			explained.tried = append(explained.tried, explainTried(tried))
		}
		elsewhere := "name a builder that runs elsewhere: set BUILDKIT_HOST or the input builder.endpoint"
		if daemon.Rootless() {
			return withLines(explained, "Or run pulumi as root (sudo -E pulumi up), or "+elsewhere)
		}
		return withLines(explained, "Or "+elsewhere)
	}
	if none, ok := errors.AsType[*noNodeError](err); ok {
		explained := &noNodeError{platforms: none.platforms, whole: none.whole, present: none.present}
		for _, a := range none.absent {
			explained.absent = append(explained.absent, &absentNode{candidate: a.candidate, err: explainBuilder(a.err)})
		}
		if len(none.platforms) == 0 {
			return explained
		}
		return withLines(explained, "Let a builder build "+strings.Join(none.platforms, ", ")+": add it to the "+
			"platforms of one of builders, or leave these platforms out")
	}
	if absent, ok := errors.AsType[*engine.NoEngineError](err); ok {
		return fmt.Errorf("%w. %s", err, engineRemedy(absent))
	}
	if errors.As(err, new(*buildx.NotFoundError)) {
		return fmt.Errorf("%w. Create it with docker buildx create, or correct the name", err)
	}
	if driver, ok := errors.AsType[*driverError](err); ok {
		return fmt.Errorf("%w. %s", err, driverRemedy(driver.driver))
	}
	if errors.As(err, new(*shipped.MissingError)) {
		return fmt.Errorf("%w. Install the whole plugin archive, or in a checkout run make build", err)
	}
	if errors.As(err, new(*engine.NoContainerError)) {
		return fmt.Errorf("%w. Create it with docker buildx inspect --bootstrap and the name of the builder", err)
	}
	if paused, ok := errors.AsType[*engine.PausedContainerError](err); ok {
		return fmt.Errorf("%w. Let it go on with %s unpause %s", err, dockerCommand(engine.AtHost(paused.Host)),
			shell.Quote(paused.Name))
	}
	if config, ok := errors.AsType[*buildx.KubeconfigError](err); ok {
		return fmt.Errorf("%w. Run pulumi with KUBECONFIG=%s", err, shell.Quote(config.Want))
	}
	if errors.As(err, new(*windowsEngineError)) {
		return fmt.Errorf("%w. Switch it to Linux containers", err)
	}
	if remedy := connectionRemedy(err); remedy != "" {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return explainRefusal(explainEmbedded(explainEndpoint(err)), Config{})
}

// explainTried adds remedies to the error of one of several builders that were tried.
func explainTried(err error) error {
	unfit, ok := errors.AsType[*daemon.UnfitError](err)
	if !ok {
		return explainBuilder(err)
	}
	return explainLacks(unfit)
}

// tlsRemedies are the remedies for a refused TLS connection to a builder.
var tlsRemedies = map[endpoint.Refusal]string{
	endpoint.Expired:          "renew the builder's certificate, or set the clock of this machine",
	endpoint.UnknownAuthority: "set tls.ca to the certificate of the authority that signed the builder's",
	endpoint.WrongName:        "set tls.serverName to a name in the builder's certificate",
	endpoint.NoTLS:            "leave tls out, or start the daemon with --tlscert and --tlskey",
	endpoint.NeedsCertificate: "set tls.cert and tls.key",
	endpoint.CertificateRefused: "set tls.cert and tls.key to a certificate that the builder's authority signed and " +
		"that is not expired",
	endpoint.ClientExpired: "renew the certificate of tls.cert, or set the clocks of both machines",
	endpoint.UnknownClient: "set tls.cert and tls.key to a certificate of the authority that the daemon's " +
		"--tlscacert names, or start the daemon with the authority of this one",
	endpoint.OldVersion: "update the daemon, or what ends TLS in front of it",
	endpoint.NothingInCommon: "set tls.cert and tls.key if it wants a client certificate, or allow the ciphers of " +
		"TLS 1.3 there",
	endpoint.NoGRPC: "correct builder.endpoint or BUILDKIT_HOST, or allow HTTP/2 (h2) in the proxy in front of the " +
		"daemon",
	endpoint.BrokenDaemon: "look at the log of the daemon there",
	endpoint.OtherRefusal: "compare tls with the options of the daemon",
}

// connectionRemedy returns the remedy for a failed connection to a daemon, or "" for any other error.
func connectionRemedy(err error) string {
	if refused, ok := errors.AsType[*endpoint.TLSError](err); ok {
		return tlsRemedies[refused.Refusal]
	}
	if missing, ok := errors.AsType[*endpoint.MissingProgramError](err); ok {
		return "install " + missing.Program
	}
	if bad, ok := errors.AsType[*endpoint.CertificateError](err); ok {
		return "correct tls." + bad.Part
	}
	if remedy := containerRemedy(err); remedy != "" {
		return remedy
	}
	absent, ok := errors.AsType[*endpoint.NoDaemonError](err)
	switch {
	case !ok:
		return ""
	case !strings.HasPrefix(absent.Endpoint, "unix://") && !strings.HasPrefix(absent.Endpoint, "tcp://"):
	case absent.Accepted:
		return "something listens there: start or restart the daemon behind it, or correct builder.endpoint or " +
			"BUILDKIT_HOST"
	default:
		return fmt.Sprintf("start one there (buildkitd --addr %s), or correct builder.endpoint or BUILDKIT_HOST",
			shell.Quote(absent.Endpoint))
	}
	return "start BuildKit there, or correct builder.endpoint or BUILDKIT_HOST"
}

// containerRemedy returns the remedy for our BuildKit in a Docker Engine that does not run, or gets no tunnel to a
// registry on this machine. It returns "" for any other error.
func containerRemedy(err error) string {
	switch {
	case errors.As(err, new(*engine.BuilderError)):
		return "use a Docker Engine that runs as root and allows privileged containers, or name another builder in " +
			"builder.endpoint or BUILDKIT_HOST"
	case errors.As(err, new(*engine.ClaimedError)):
		return "try again when that build has ended, or give the registry another port"
	case errors.As(err, new(*engine.OccupiedError)):
		return "give the registry another port, or use a registry at an address that both machines reach"
	case errors.As(err, new(*engine.TunnelError)):
		return "try again, or use a registry at an address that both machines reach"
	}
	return ""
}

// engineRemedy returns the remedy for a Docker Engine that does not answer.
func engineRemedy(e *engine.NoEngineError) string {
	switch {
	case errors.As(e, new(*tls.CertificateVerificationError)):
		return "Correct the certificates: tls of the builder, those of the Docker context, or DOCKER_CERT_PATH"
	case e.Denied:
		return "Add this user to the group docker (sudo usermod -aG docker $USER), and log in again"
	case e.Address.Source == "DOCKER_HOST", e.Address.Source == "DOCKER_CONTEXT":
		return "Start it, or correct " + e.Address.Source
	}
	return "Start it, or install Docker"
}

// driverRemedy returns the remedy for a builder of buildx whose driver is not supported.
func driverRemedy(driver string) string {
	if driver == buildx.Cloud {
		return "Docker Build Cloud can only be used through docker buildx: take another builder"
	}
	return "Use a builder with the driver remote, docker-container, kubernetes or docker"
}

// mirrorRemedy says where a builder that is not ours takes its mirrors from.
func mirrorRemedy(b builder) string {
	if b.engine != nil {
		return "Set registry-mirrors, which are for docker.io, in the daemon.json of the engine, or build on local://"
	}
	return `Set mirrors of [registry."docker.io"] in its buildkitd.toml, or build on local://`
}
