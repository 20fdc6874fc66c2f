package provider

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
)

// settings is what the images of a provider share. The engine calls Configure before any resource needs it.
type settings struct {
	engineAlive func() bool
	registry    registry.Options // but for the budget
	// stallTimeout replaces the one of an image, unless it is zero.
	stallTimeout time.Duration
	// silence replaces the default of buildkit.Access, unless it is zero.
	silence time.Duration
	// dialLimit replaces the default of endpoint.Options, unless it is zero.
	dialLimit time.Duration
	// cacheLimit replaces the constant, unless it is zero.
	cacheLimit time.Duration
	// summarizedAfter replaces the constant, unless it is nil.
	summarizedAfter *time.Duration
	// mountLimit replaces the limits of restoring cache mounts, unless it is zero.
	mountLimit time.Duration

	downloads inputs.Downloads // the Dockerfiles at URLs

	messages      sync.Map // that were logged and shall not be logged again
	config        atomic.Pointer[Config]
	turns         atomic.Pointer[turns]
	nodes         nodeAnswers // of several builders
	silentMirrors silentMirrors
	mounts        registry.Mounts
	secrets       givenSecrets
	shares        layerShares
}

// configure stores the configuration, without the properties that this version of the provider does not know.
func (s *settings) configure(ctx context.Context, req p.ConfigureRequest) error {
	known, _ := splitConfig(req.Args)
	known, _ = withoutEmptyMirrors(known)
	known = dropExtraFields(property.New(known), reflect.TypeFor[Config]()).AsMap()
	config, failures, err := infer.DefaultCheck[Config](ctx, known)
	if err == nil && len(failures) > 0 {
		err = fmt.Errorf("provider configuration: %s: %s", failures[0].Property, failures[0].Reason)
	}
	if err != nil {
		return err
	}
	s.config.Store(&config)
	s.turns.Store(newTurns(config.MaxParallelBuilds))
	return nil
}

// noBuilderKey stands for the warning of a preview that no builder can work here.
const noBuilderKey = "no builder"

// isFirst records a key, and tells whether it was new.
func (s *settings) isFirst(key string) bool {
	_, before := s.messages.LoadOrStore(key, true)
	return !before
}

// configuration returns the configuration. It is empty before configure.
func (s *settings) configuration() Config {
	if c := s.config.Load(); c != nil {
		return *c
	}
	return Config{}
}

// keychain returns the credentials for an image. Its own logins come first, then those of the configuration, then those
// of the cloud and of the user. w records the waits for them, and the debug log of ctx which source answered.
func (s *settings) keychain(ctx context.Context, w *waits, own []Registry) *registry.Keychain {
	config := s.configuration()
	keychain := registry.NewKeychain(append(logins(own), logins(config.Registries)...))
	if e := config.ECR; e != nil {
		keychain.ECR = ecr.Config{
			Profile:  deref(e.Profile),
			RoleARN:  deref(e.RoleArn),
			Region:   deref(e.Region),
			Endpoint: deref(e.Endpoint),
			Hosts:    e.Hosts,
		}
	}
	keychain.Watch, keychain.Log = w.beginRegistryWait, newDebugLog(ctx)
	return keychain
}

// logins returns logins as package registry takes them. Only a login with a CA file needs the project.
func logins(given []Registry) []registry.Login {
	out := make([]registry.Login, len(given))
	for i, r := range given {
		out[i] = registry.Login{
			Address:  r.Address,
			Username: deref(r.Username),
			Password: deref(r.Password),
			CAFile:   deref(r.CAFile),
			Insecure: deref(r.Insecure),
		}
		if r.CAFile != nil {
			out[i].Project = projectFolder()
		}
	}
	return out
}

// daemonRegistries returns the registries that have mirrors, or need a CA file or plain HTTP, as package daemon takes
// them.
func daemonRegistries(keychain *registry.Keychain, mirrors map[string][]string) map[string]daemon.Registry {
	registries := map[string]daemon.Registry{}
	for host, link := range keychain.Links() {
		registries[host] = daemon.Registry{CAFile: link.CAFile, Project: link.Project, PlainHTTP: link.Insecure}
	}
	for host, addresses := range mirrors {
		one := registries[host]
		one.Mirrors = addresses
		registries[host] = one
	}
	return registries
}

// registryClient returns a client for one operation. It retries each call until the budget is spent.
func (s *settings) registryClient(
	ctx context.Context, w *waits, keychain *registry.Keychain, budget time.Duration,
) *registry.Client {
	options := s.registry
	options.Budget, options.Watch, options.Log = budget, w.beginRegistryWait, newDebugLog(ctx)
	return registry.New(keychain, options)
}

// guard returns what a build may do on the embedded daemon: run the frontends of the configuration, and reach the hosts
// that the program names in tags, exports, registries and caches. The build contexts are part of the plan.
func (s *settings) guard(args ImageArgs, inputs property.Map) *buildkit.Guard {
	config := s.configuration()
	g := &buildkit.Guard{Frontends: config.Frontends}
	for _, r := range append(logins(args.Registries), logins(config.Registries)...) {
		g.Hosts = append(g.Hosts, registry.Host(r.Address))
	}
	for _, given := range knownNames(inputs) {
		if tag, err := tagFor(given, anyHash); err == nil {
			g.References = append(g.References, tag.Repository())
		}
	}
	g.References = append(g.References, cacheReferences(inputs)...)
	return g
}

// withLoginRemedy adds to the error of a refused login where the login comes from.
//
// Delete and refresh use the logins of the last update, because the program does not run. If the program was corrected
// since, pulumi up must run first.
func (s *settings) withLoginRemedy(args ImageArgs, err error) error {
	if !isRefused(err) || len(args.Registries)+len(s.configuration().Registries) == 0 {
		return err
	}
	return fmt.Errorf("%w; these are the logins of the last update, so give new ones to pulumi up first",
		explainRegistry(err))
}
