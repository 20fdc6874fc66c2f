package provider

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const indexURN = "urn:pulumi:dev::shop::buildkit:index:Index::app"

// indexEngine calls a provider as an engine does whose program has one index. HERE and THERE in a program stand for the
// hosts of two registries.
type indexEngine struct {
	*wire
	here, there *registrytest.Registry
	urn         string

	inputs, outputs property.Map // the state; no outputs: there is none
}

func newIndexEngine(t *testing.T, config string) *indexEngine {
	t.Helper()
	return &indexEngine{
		wire: dial(t, newFastProvider(), config), here: registrytest.New(t), there: registrytest.New(t), urn: indexURN,
	}
}

// withState returns an engine of another run with the same state.
func (e *indexEngine) withState(t *testing.T, provider p.Provider) *indexEngine {
	t.Helper()
	other := *e
	other.wire = dial(t, provider, `{}`)
	return &other
}

func (e *indexEngine) expand(text string) string {
	return strings.NewReplacer("HERE", e.here.Host(), "THERE", e.there.Host()).Replace(
		strings.ReplaceAll(text, "THERE", e.there.Host()))
}

// shorten replaces the hosts by their names.
func (e *indexEngine) shorten(text string) string {
	return strings.NewReplacer(e.here.Host(), "HERE", e.there.Host(), "THERE").Replace(text)
}

// check returns the inputs and the failures, one a line.
func (e *indexEngine) check(t *testing.T, program string) (property.Map, string) {
	t.Helper()
	res, err := e.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: e.urn, News: marshalProperties(t, props(t, e.expand(program))), Olds: marshalProperties(t, e.inputs),
	})
	if err != nil {
		t.Fatal(err)
	}
	var failures []string
	for _, f := range res.GetFailures() {
		failures = append(failures, f.GetProperty()+": "+f.GetReason())
	}
	return unmarshalProperties(t, res.GetInputs()), e.shorten(strings.Join(failures, "\n"))
}

// diff returns the paths that differ, sorted.
func (e *indexEngine) diff(t *testing.T, checked property.Map) []string {
	t.Helper()
	res, err := e.Diff(t.Context(), &pulumirpc.DiffRequest{
		Id: "app", Urn: e.urn, Olds: marshalProperties(t, e.outputs), News: marshalProperties(t, checked),
		OldInputs: marshalProperties(t, e.inputs),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.GetReplaces()) > 0 {
		t.Errorf("it replaces: %v", res.GetReplaces())
	}
	paths := make([]string, 0, len(res.GetDetailedDiff()))
	for path := range res.GetDetailedDiff() {
		paths = append(paths, path)
	}
	return sortUnique(paths)
}

// preview returns the outputs that a preview promises.
func (e *indexEngine) preview(t *testing.T, program string) (property.Map, error) {
	t.Helper()
	return e.apply(t, program, true)
}

// up applies a program, and keeps the state.
func (e *indexEngine) up(t *testing.T, program string) error {
	t.Helper()
	_, err := e.apply(t, program, false)
	return err
}

func (e *indexEngine) apply(t *testing.T, program string, preview bool) (property.Map, error) {
	t.Helper()
	checked, failures := e.check(t, program)
	if failures != "" {
		t.Fatal(failures)
	}
	var outputs property.Map
	if e.outputs.Len() == 0 {
		res, err := e.Create(t.Context(), &pulumirpc.CreateRequest{
			Urn: e.urn, Properties: marshalProperties(t, checked), Preview: preview,
		})
		if err != nil {
			return property.Map{}, err
		}
		outputs = unmarshalProperties(t, res.GetProperties())
	} else {
		if len(e.diff(t, checked)) == 0 {
			return e.outputs, nil
		}
		res, err := e.Update(t.Context(), &pulumirpc.UpdateRequest{
			Id: "app", Urn: e.urn, Olds: marshalProperties(t, e.outputs), News: marshalProperties(t, checked),
			OldInputs: marshalProperties(t, e.inputs), Preview: preview,
		})
		if err != nil {
			return property.Map{}, err
		}
		outputs = unmarshalProperties(t, res.GetProperties())
	}
	if !preview {
		e.inputs, e.outputs = checked, outputs
	}
	return outputs, nil
}

// refresh reads the state. gone says that the provider returned none.
func (e *indexEngine) refresh(t *testing.T) (gone bool) {
	t.Helper()
	res, err := e.Read(t.Context(), &pulumirpc.ReadRequest{
		Id: "app", Urn: e.urn, Properties: marshalProperties(t, e.outputs), Inputs: marshalProperties(t, e.inputs),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.outputs = unmarshalProperties(t, res.GetProperties())
	e.inputs = unmarshalProperties(t, res.GetInputs())
	return res.GetId() == ""
}

func (e *indexEngine) destroy(t *testing.T) error {
	t.Helper()
	_, err := e.Delete(t.Context(), &pulumirpc.DeleteRequest{
		Id: "app", Urn: e.urn, Properties: marshalProperties(t, e.outputs), OldInputs: marshalProperties(t, e.inputs),
	})
	return err
}

// holds returns the digest that a tag of the first registry holds; "" if it is not there.
func (e *indexEngine) holds(t *testing.T, tag string) string {
	t.Helper()
	return remembered{Registry: e.here}.digestOf(t, tag)
}

// digests returns the digest of each platform in the outputs.
func manifestDigests(outputs property.Map) map[string]string {
	found := map[string]string{}
	if manifests := outputs.Get("manifests"); manifests.IsMap() {
		for platform, m := range manifests.AsMap().All {
			found[platform] = text(m.AsMap(), "digest")
		}
	}
	return found
}

// read imports a reference.
func (e *indexEngine) read(t *testing.T, id string) (*pulumirpc.ReadResponse, error) {
	t.Helper()
	return e.Read(t.Context(), &pulumirpc.ReadRequest{Id: id, Urn: e.urn})
}
