package buildx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// Container returns the name of the container in which buildx runs the BuildKit of a node.
func (n Node) Container() string { return "buildx_buildkit_" + n.Name }

// TLSFiles holds the paths of the certificates of a remote node, "" for a file that is not set.
type TLSFiles struct{ CA, Cert, Key, ServerName string }

// TLS returns the certificates of a remote node. ok is false if it has none.
func (n Node) TLS() (files TLSFiles, ok bool) {
	files = TLSFiles{
		CA: n.DriverOpts["cacert"], Cert: n.DriverOpts["cert"], Key: n.DriverOpts["key"],
		ServerName: n.DriverOpts["servername"],
	}
	return files, files != TLSFiles{}
}

// podLimit bounds how long kubectl may take to list pods.
const podLimit = 20 * time.Second

// KubeconfigError says that the kubeconfig of a builder is not the file that kubectl reads here.
type KubeconfigError struct{ Want, Have string }

// Error names both files.
func (e *KubeconfigError) Error() string {
	return fmt.Sprintf("its pods are in the cluster of %s, and KUBECONFIG is %q", e.Want, e.Have)
}

// Pod asks kubectl for a running pod of a node of a Kubernetes builder, and returns the kube-pod:// endpoint of the
// pod. It returns a *KubeconfigError if kubectl would ask another cluster than the builder's.
func (n Node) Pod(ctx context.Context) (string, error) {
	deployment, namespace, kubeconfig := n.deployment()
	if have := os.Getenv("KUBECONFIG"); kubeconfig != "" && kubeconfig != have {
		return "", &KubeconfigError{Want: kubeconfig, Have: have}
	}
	ctx, stop := context.WithTimeoutCause(ctx, podLimit, fmt.Errorf("kubectl did not answer within %s", podLimit))
	defer stop()
	args := []string{"get", "pods", "--selector=app=" + deployment, "--field-selector=status.phase=Running",
		"--output=jsonpath={.items[*].metadata.name}"}
	if namespace != "" {
		args = append(args, "--namespace="+namespace)
	}
	out, complaint, err := subprocess.Output(exec.CommandContext(ctx, "kubectl", args...))
	if err != nil {
		return "", fmt.Errorf("kubectl get pods of %s: %w: %s", deployment, err, strings.TrimSpace(string(complaint)))
	}
	names := strings.Fields(string(out))
	if len(names) == 0 {
		return "", errors.New("no pod of " + deployment + " runs")
	}
	slices.Sort(names)
	address := "kube-pod://" + names[0]
	if namespace != "" {
		address += "?namespace=" + namespace
	}
	return address, nil
}

// deployment returns the name of the deployment, its namespace and the configuration of kubectl. "" is kubectl's
// default. buildx writes them into the endpoint: kubernetes:///builder?deployment=NAME&kubeconfig=PATH.
func (n Node) deployment() (name, namespace, kubeconfig string) {
	name = n.Name
	if u, err := url.Parse(n.Endpoint); err == nil {
		name, kubeconfig = cmp.Or(u.Query().Get("deployment"), n.Name), u.Query().Get("kubeconfig")
	}
	return name, n.DriverOpts["namespace"], kubeconfig
}
