package provider

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// operationOf returns the operation that applies inputs to what was applied before.
func operationOf(t *testing.T, urn resource.URN, inputs property.Map, old state) operation {
	t.Helper()
	op, err := newOperation(t.Context(), &settings{}, request{urn: urn, inputs: inputs, old: old})
	if err != nil {
		t.Fatal(err)
	}
	return op
}
