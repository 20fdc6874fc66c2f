package buildx_test

import (
	"errors"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
)

// A builder in another cluster than kubectl's is not looked for in this one.
func TestPodOfAnotherCluster(t *testing.T) {
	t.Setenv("KUBECONFIG", "/here/config")
	node := buildx.Node{Name: "pods0", Endpoint: "kubernetes:///pods?deployment=pods0&kubeconfig=%2Fthere%2Fconfig"}
	_, err := node.Pod(t.Context())
	if other, ok := errors.AsType[*buildx.KubeconfigError](err); !ok || other.Want != "/there/config" ||
		other.Have != "/here/config" {
		t.Errorf("got %v", err)
	}
}
