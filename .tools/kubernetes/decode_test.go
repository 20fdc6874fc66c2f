package kubernetes

import (
	"bytes"
	"os"
	"path/filepath"
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

// manifests returns the objects of all files, with one of the two kinds of builders, and again for arm64.
func manifests(t *testing.T, builders string) (all []meta.Object) {
	t.Helper()
	files, err := filepath.Glob("../../examples/kubernetes/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		switch name := filepath.Base(file); name {
		case "Pulumi.yaml":
			continue
		case "privileged.yaml", "rootless.yaml":
			if name != builders {
				continue
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decode(t, text)...)
		if filepath.Base(file) == builders {
			all = append(all, decode(t, bytes.ReplaceAll(text, []byte("amd64"), []byte("arm64")))...)
		}
	}
	return all
}
