package kubernetes

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// kinds makes an object of each kind that the manifests have.
var kinds = map[string]func() meta.Object{
	"v1/Namespace":                             func() meta.Object { return &core.Namespace{} },
	"v1/ConfigMap":                             func() meta.Object { return &core.ConfigMap{} },
	"v1/Service":                               func() meta.Object { return &core.Service{} },
	"v1/ServiceAccount":                        func() meta.Object { return &core.ServiceAccount{} },
	"apps/v1/StatefulSet":                      func() meta.Object { return &apps.StatefulSet{} },
	"batch/v1/Job":                             func() meta.Object { return &batch.Job{} },
	"autoscaling/v2/HorizontalPodAutoscaler":   func() meta.Object { return &autoscaling.HorizontalPodAutoscaler{} },
	"networking.k8s.io/v1/NetworkPolicy":       func() meta.Object { return &networking.NetworkPolicy{} },
	"policy/v1/PodDisruptionBudget":            func() meta.Object { return &policy.PodDisruptionBudget{} },
	"rbac.authorization.k8s.io/v1/Role":        func() meta.Object { return &rbac.Role{} },
	"rbac.authorization.k8s.io/v1/RoleBinding": func() meta.Object { return &rbac.RoleBinding{} },
	"cert-manager.io/v1/Issuer":                func() meta.Object { return &certmanager.Issuer{} },
	"cert-manager.io/v1/Certificate":           func() meta.Object { return &certmanager.Certificate{} },
}

// decode returns the objects of a file. It fails on unknown and on repeated fields.
func decode(t *testing.T, text []byte) (all []meta.Object) {
	t.Helper()
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		newObject, ok := kinds[kind.APIVersion+"/"+kind.Kind]
		if !ok {
			t.Fatalf("no type for %+v", kind)
		}
		object := newObject()
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		all = append(all, object)
	}
	return all
}

// examples is the folder of the manifests.
const examples = "../../examples/kubernetes/"

// basic lists the files of the first command of the page. A file of builders and job.yaml follow.
var basic = []string{"namespace.yaml", "config.yaml", "certificates.yaml", "network.yaml", "disruption.yaml"}

// optional lists files that the page applies for one purpose, each to what is there already.
var optional = []string{"access.yaml", "autoscaling.yaml"}

// appliedObjects returns the objects of the basic files, of builders for both architectures, of the job and of another
// file.
func appliedObjects(t *testing.T, builders, other string) (all []meta.Object) {
	t.Helper()
	for _, name := range append(slices.Clone(basic), builders, "job.yaml", other) {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(examples + name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decode(t, text)...)
		if name == builders {
			all = append(all, decode(t, bytes.ReplaceAll(text, []byte("amd64"), []byte("arm64")))...)
		}
	}
	return all
}

// The page has the commands that apply these files, and there are no other manifests.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := []string{
		strings.Join(basic, " -f "), "privileged.yaml # or rootless.yaml", "job.yaml", optional[0], optional[1],
	}
	for _, command := range commands {
		if !strings.Contains(string(page), "\nkubectl apply -f "+command) {
			t.Errorf("the page does not apply %s", command)
		}
	}
	files, err := filepath.Glob(examples + "*.yaml")
	if want := len(basic) + len(optional) + len([]string{"privileged", "rootless", "job", "Pulumi"}); err != nil ||
		len(files) != want {
		t.Errorf("there are %v, %v, want %d", files, err, want)
	}
}
