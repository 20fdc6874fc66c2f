package provider

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// remediedError is an error with its remedy. The errors in it get no further remedy.
type remediedError struct {
	error
	remedy string
}

// Error returns the error and the remedy.
func (e *remediedError) Error() string { return fmt.Sprintf("%v; %s", e.error, e.remedy) }

// Unwrap returns the error without the remedy.
func (e *remediedError) Unwrap() error { return e.error }

// explainRegistry adds to an error the remedies for the faults of package registry in it. Each of several errors gets
// its own. A second call changes nothing.
func explainRegistry(err error) error {
	if failures, ok := err.(*registry.TagErrors); ok { //nolint:errorlint // a wrapped one has text around it
		var all []error
		for _, failure := range failures.Each {
			all = append(all, explainRegistry(failure))
		}
		return errors.Join(all...)
	}
	remedies := remediesOf(err)
	if len(remedies) == 0 {
		return err
	}
	return &remediedError{error: err, remedy: strings.Join(remedies, "; ")}
}

// remediesOf returns the remedies of the faults in an error, each once. First come those of its causes, then its own,
// then that of its Reason.
func remediesOf(err error) (remedies []string) {
	add := func(more ...string) {
		for _, remedy := range more {
			if remedy != "" && !slices.Contains(remedies, remedy) {
				remedies = append(remedies, remedy)
			}
		}
	}
	switch err := err.(type) { //nolint:errorlint // it walks the tree
	case nil, *remediedError:
	case *fault.Error:
		for _, cause := range err.Unwrap() {
			add(remediesOf(cause)...)
		}
		add(registryRemedy(err))
		add(remediesOf(err.Reason)...)
	case interface{ Unwrap() []error }:
		for _, cause := range err.Unwrap() {
			add(remediesOf(cause)...)
		}
	case interface{ Unwrap() error }:
		add(remediesOf(err.Unwrap())...)
	}
	return remedies
}

// registryRemedy returns the remedy of a fault, or "" if there is none.
func registryRemedy(e *fault.Error) string {
	remedy := cmp.Or(registryRemedies[e.Kind], contentRemedies[e.Kind], loginRemedies[e.Kind], tagRemedies[e.Kind])
	if e.Amazon {
		remedy = cmp.Or(amazonRemedies[e.Kind], remedy)
	}
	if e.Daemon {
		remedy = cmp.Or(daemonRemedies[e.Kind], remedy)
	}
	if e.Kind == fault.TagText && e.Proposal != "" {
		remedy = "write $proposal"
	}
	image := "imageTag=" + e.Label
	if e.Label == "" {
		image = "imageDigest=" + e.Digest
	}
	var words []string
	for name, fact := range map[string]string{
		"$host": e.Host, "$repository": e.Repository, "$image": image, "$profile": e.Profile, "$role": e.Role,
		"$address": e.Address, "$program": e.Program, "$action": e.Action, "$clock": e.Clock, "$proposal": e.Proposal,
		"$region": fmt.Sprintf("%q", e.Region),
	} {
		words = append(words, "'"+name+"'", shell.Quote(fact), name, fact) // '$host' is one word of a shell
	}
	return strings.NewReplacer(words...).Replace(remedy)
}

// withRemedies returns values to be shown, of which the errors have their remedies.
func withRemedies(values []any) []any {
	shown := slices.Clone(values)
	for i, value := range shown {
		if err, ok := value.(error); ok {
			shown[i] = explainRegistry(err)
		}
	}
	return shown
}
