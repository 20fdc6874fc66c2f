package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// builder is what builds an image. The caller releases it after the build.
type builder struct {
	endpoint string // for people and errors
	reason   string // why this one was taken, for people; "" if the program names it
	// connect returns a client, which the caller closes.
	connect func(context.Context) (*client.Client, error)
	release func()
	// version returns the version that the daemon told when it was connected; "": not known. nil: it is to be asked.
	version func() string
	prune   string // the command that removes its build cache; "" for the embedded daemon
	// guarded: a Dockerfile must not make the builder do more than the program says.
	guarded  bool
	cores    int           // of its machine, as far as it may use them; 0: not known
	rootless bool          // it leaves out limits of steps that need a cgroup, without a word
	embedded *daemon.Lease // nil: another builder
	// reportDamage calls ReportDamage of the lease. Further calls return what the first one did. nil: another builder.
	reportDamage func() error
	// container is our BuildKit in a Docker Engine; nil: another builder.
	container *engine.Builder
	// engine is the Docker Engine that builds; nil: another builder. See loadTarget.
	engine *engine.Address
}

// isEmbedded tells whether the builder is the embedded daemon.
func (b builder) isEmbedded() bool { return b.embedded != nil }

// name returns what builds, for people.
func (b builder) name() string {
	if b.isEmbedded() {
		return "the embedded BuildKit daemon"
	}
	return b.endpoint
}

// startEmbedded returns the embedded daemon, which it starts if none runs.
func (f *builderFinder) startEmbedded(ctx context.Context) (builder, error) {
	defer f.begin("waiting for the embedded BuildKit daemon to start")()
	lease, err := daemon.Acquire(ctx, f.embedded)
	if err != nil {
		return builder{}, err
	}
	e, err := endpoint.Parse(lease.Endpoint())
	if err != nil {
		return builder{}, errors.Join(err, lease.Release())
	}
	return builder{
		endpoint: lease.Endpoint(), release: func() { _ = lease.Release() }, guarded: true, embedded: lease,
		rootless: daemon.Rootless(), cores: coresHere(), reportDamage: sync.OnceValue(lease.ReportDamage),
		connect: func(ctx context.Context) (*client.Client, error) {
			return e.Dial(ctx, endpoint.Options{Connect: lease.Dial})
		},
	}, nil
}

// buildKitFloor is the version of BuildKit from which on a Docker Engine makes the same bytes as the embedded daemon:
// that of the option compatibility-version.
const buildKitFloor = "v0.30.0"

// connectEngine returns the BuildKit of a Docker Engine. If that cannot do what the plugin needs, it returns our
// BuildKit in a container of the engine.
func (f *builderFinder) connectEngine(ctx context.Context, a engine.Address) (builder, error) {
	defer f.begin("waiting for the Docker Engine at " + a.Host + " to answer")()
	e, err := f.dialEngine(ctx, a)
	if err != nil {
		return builder{}, err
	}
	b, err := f.connectOpenEngine(ctx, e)
	if err != nil {
		return builder{}, errors.Join(err, e.Close())
	}
	return b, nil
}

// connectOpenEngine does the same for an engine that is connected. The caller closes the engine after an error.
func (f *builderFinder) connectOpenEngine(ctx context.Context, e *engine.Engine) (builder, error) {
	abilities, err := e.Abilities(ctx)
	if err != nil {
		return builder{}, err
	}
	a := e.Address()
	b := builder{
		endpoint: a.Host, release: func() { _ = e.Close() }, guarded: !a.Chosen, engine: &a,
		prune: dockerCommand(a) + " builder prune", rootless: abilities.Rootless,
		cores: abilities.Cores, version: func() string { return abilities.Version },
	}
	if a.Source != a.Host { // else the endpoint says it all
		b.reason = a.Source
	}
	if abilities.OS == "windows" {
		return builder{}, &windowsEngineError{a}
	}
	hosts := f.hosts(ctx)
	missing, err := f.missingAbility(ctx, e, abilities, hosts)
	if err != nil {
		return builder{}, err
	}
	if missing == "" {
		b.connect = e.BuildKit
		return b, nil
	}
	registries, err := f.containerRegistries(ctx)
	if err != nil {
		return builder{}, err
	}
	container, err := e.StartBuilder(ctx, engine.BuilderOptions{
		Registries: registries, Hosts: f.config.withMirrorHosts(hosts), Note: f.note,
	})
	if err != nil {
		return builder{}, fmt.Errorf("%s, and %w", missing, err)
	}
	b.endpoint, b.guarded, b.connect, b.container = container.Endpoint(), true, container.BuildKit, container
	b.rootless = b.rootless || container.IsRootless()
	for _, name := range container.SkippedProxies() {
		f.sayOnce(fmt.Sprintf("%s names a proxy on the loopback of this machine, which our BuildKit in the Docker "+
			"Engine at %s does not reach: it connects without", name, a.Host))
	}
	b.release = func() { container.Close(); _ = e.Close() }
	where := cmp.Or(b.reason, "the Docker Engine at "+a.Host)
	b.reason = fmt.Sprintf("%s; %s, so our BuildKit runs there", where, missing)
	b.prune = dockerCommand(a) + " volume rm " + engine.Volume
	return b, nil
}

// dockerCommand returns the beginning of a docker command for an engine.
func dockerCommand(a engine.Address) string {
	if a.Context != "" && a.Host != os.Getenv("DOCKER_HOST") {
		return "docker --context " + shell.Quote(a.Context)
	}
	return "docker --host " + shell.Quote(a.Host)
}

// windowsEngineError is a Docker Engine that runs Windows containers.
type windowsEngineError struct{ address engine.Address }

// Error names the engine.
func (e *windowsEngineError) Error() string {
	return "the Docker Engine at " + e.address.Host + " runs Windows containers, which BuildKit cannot build here"
}

// missingAbility returns what the BuildKit of an engine cannot do for the build, or "". hosts are the registries that
// it needs.
func (f *builderFinder) missingAbility(
	ctx context.Context, e *engine.Engine, abilities engine.Abilities, hosts []string,
) (string, error) {
	switch {
	case abilities.Version == "":
		return "it has no BuildKit that tells its version", nil
	case !abilities.Stores:
		return "its image store is not containerd's, which can push by digest", nil
	case engine.IsOlder(abilities.Version, buildKitFloor):
		return fmt.Sprintf("its BuildKit %s is older than %s", abilities.Version, buildKitFloor), nil
	}
	unreachable, err := e.UnreachableHosts(ctx, hosts)
	if len(unreachable) == 0 || err != nil {
		return "", err
	}
	return fmt.Sprintf("it does not reach %s on the loopback of this machine", strings.Join(unreachable, ", ")), nil
}

// containerRegistries returns what the daemon in a container has to know about registries.
func (f *builderFinder) containerRegistries(ctx context.Context) (map[string]inside.Registry, error) {
	registries := map[string]inside.Registry{}
	for host, r := range f.embedded.Registries {
		one := inside.Registry{PlainHTTP: r.PlainHTTP, Mirrors: r.Mirrors}
		if r.CAFile != "" {
			content, err := file.Project(r.Project).ReadNamed(ctx, r.CAFile, file.LimitText)
			if err != nil {
				return nil, fmt.Errorf("the CA file of %s: %w", host, err)
			}
			one.CA = string(content)
		}
		registries[host] = one
	}
	return registries, nil
}

// dialEngine connects to a Docker Engine. It returns an *endpoint.InsecureTCPError for an engine on another machine
// without TLS, unless the configuration allows it. Each later connection checks the address that it dials.
func (f *builderFinder) dialEngine(ctx context.Context, a engine.Address) (*engine.Engine, error) {
	a, err := guardPlaintext(ctx, f.config, a)
	if err != nil {
		return nil, err
	}
	return engine.Dial(ctx, a)
}

// guardPlaintext returns an address without verified TLS such that connections lead to this machine only. It returns an
// *endpoint.InsecureTCPError for another machine. Any other address, or one that the configuration allows, stays as it
// is.
func guardPlaintext(ctx context.Context, config Config, a engine.Address) (engine.Address, error) {
	hostPort := a.Plaintext()
	if hostPort == "" || config.allowsInsecureTCP() {
		return a, nil
	}
	if err := endpoint.CheckHere(ctx, a.Host, hostPort); err != nil {
		return a, err
	}
	a.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return endpoint.DialHere(ctx, a.Host, hostPort)
	}
	return a, nil
}

// loadTarget returns the engine into which images are loaded: the one that builds, else that of the current Docker
// context.
func (b builder) loadTarget(ctx context.Context, config Config) (engine.Address, error) {
	if b.engine != nil {
		return *b.engine, nil
	}
	a, err := engine.Current(ctx)
	if err != nil {
		return a, err
	}
	a, err = guardPlaintext(ctx, config, a)
	return a, explainRefusal(err, config)
}
