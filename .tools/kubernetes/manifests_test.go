// Package kubernetes checks the manifests of examples/kubernetes with the types of Kubernetes and cert-manager.
package kubernetes

import (
	"fmt"
	"os"
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
	"k8s.io/apimachinery/pkg/labels"
)

// find returns the objects of a type.
func find[T any](all []meta.Object) (found []T) {
	for _, object := range all {
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// named reports whether there is an object of a type with the name.
func named[T meta.Object](all []meta.Object, name string) bool {
	return slices.ContainsFunc(find[T](all), func(object T) bool { return object.GetName() == name })
}

// Kubernetes and cert-manager know every field, and each name leads to an object.
func TestManifests(t *testing.T) {
	t.Parallel()
	for _, builders := range []string{"privileged.yaml", "rootless.yaml"} {
		t.Run(builders, func(t *testing.T) {
			t.Parallel()
			all := manifests(t, builders)
			seen := map[string]bool{}
			for _, object := range all {
				id := fmt.Sprintf("%T %s", object, object.GetName())
				if seen[id] {
					t.Errorf("%s is there twice", id)
				}
				seen[id] = true
				if _, ok := object.(*core.Namespace); !ok && object.GetNamespace() != "ci" {
					t.Errorf("%s is in the namespace %q", id, object.GetNamespace())
				}
			}
			for _, set := range find[*apps.StatefulSet](all) {
				checkStatefulSet(t, all, set)
			}
			checkSelectors(t, all)
			checkCertificates(t, all)
			checkAccess(t, all)
		})
	}
}

// checkStatefulSet checks what a StatefulSet names.
func checkStatefulSet(t *testing.T, all []meta.Object, set *apps.StatefulSet) {
	t.Helper()
	pod := set.Spec.Template
	if !labels.SelectorFromSet(set.Spec.Selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
		t.Errorf("%s does not select its pods", set.Name)
	}
	if !named[*core.Service](all, set.Spec.ServiceName) {
		t.Errorf("%s: there is no service %s", set.Name, set.Spec.ServiceName)
	}
	if arch := pod.Spec.NodeSelector["kubernetes.io/arch"]; set.Name != "builder-"+arch {
		t.Errorf("%s runs on %s", set.Name, arch)
	}
	volumes := map[string]bool{}
	for _, claim := range set.Spec.VolumeClaimTemplates {
		volumes[claim.Name] = true
	}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
		if c := volume.ConfigMap; c != nil && !named[*core.ConfigMap](all, c.Name) {
			t.Errorf("%s: there is no ConfigMap %s", set.Name, c.Name)
		}
		if s := volume.Secret; s != nil && !hasSecret(all, s.SecretName) {
			t.Errorf("%s: no certificate makes the secret %s", set.Name, s.SecretName)
		}
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s: there is no volume %s", set.Name, mount.Name)
			}
		}
		checkImage(t, container)
	}
}

// hasSecret reports whether a certificate makes a secret.
func hasSecret(all []meta.Object, name string) bool {
	return slices.ContainsFunc(find[*certmanager.Certificate](all), func(c *certmanager.Certificate) bool {
		return c.Spec.SecretName == name
	})
}

// checkImage checks that the image is the BuildKit that the plugin is tested with.
func checkImage(t *testing.T, container core.Container) {
	t.Helper()
	text, err := os.ReadFile("../buildkit/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(container.Image, "moby/buildkit:"), "-rootless")
	if !strings.Contains(string(text), "github.com/moby/buildkit "+version) {
		t.Errorf("%s is not the version in .tools/buildkit/go.mod", container.Image)
	}
}

// checkSelectors checks that services, policies and budgets select builders, and that an autoscaler has its target.
func checkSelectors(t *testing.T, all []meta.Object) {
	t.Helper()
	selects := func(what string, selector map[string]string) {
		if !slices.ContainsFunc(find[*apps.StatefulSet](all), func(set *apps.StatefulSet) bool {
			return labels.SelectorFromSet(selector).Matches(labels.Set(set.Spec.Template.Labels))
		}) {
			t.Errorf("%s selects no builder", what)
		}
	}
	for _, service := range find[*core.Service](all) {
		selects(service.Name, service.Spec.Selector)
	}
	for _, budget := range find[*policy.PodDisruptionBudget](all) {
		selects("the budget", budget.Spec.Selector.MatchLabels)
	}
	job := find[*batch.Job](all)[0]
	for _, network := range find[*networking.NetworkPolicy](all) {
		selects("the network policy", network.Spec.PodSelector.MatchLabels)
		from := network.Spec.Ingress[0].From[0].PodSelector.MatchLabels
		if !labels.SelectorFromSet(from).Matches(labels.Set(job.Spec.Template.Labels)) {
			t.Errorf("the network policy does not let the job in")
		}
	}
	for _, scaler := range find[*autoscaling.HorizontalPodAutoscaler](all) {
		if !named[*apps.StatefulSet](all, scaler.Spec.ScaleTargetRef.Name) {
			t.Errorf("there is no StatefulSet %s", scaler.Spec.ScaleTargetRef.Name)
		}
	}
}

// checkCertificates checks that issuers exist, and that the certificate of the builders has the names of services.
func checkCertificates(t *testing.T, all []meta.Object) {
	t.Helper()
	for _, issuer := range find[*certmanager.Issuer](all) {
		if ca := issuer.Spec.CA; ca != nil && !hasSecret(all, ca.SecretName) {
			t.Errorf("%s: no certificate makes the secret %s", issuer.Name, ca.SecretName)
		}
	}
	for _, certificate := range find[*certmanager.Certificate](all) {
		if !named[*certmanager.Issuer](all, certificate.Spec.IssuerRef.Name) {
			t.Errorf("%s: there is no issuer %s", certificate.Name, certificate.Spec.IssuerRef.Name)
		}
		for _, name := range certificate.Spec.DNSNames {
			service, _, _ := strings.Cut(strings.TrimPrefix(name, "*."), ".")
			if !named[*core.Service](all, service) {
				t.Errorf("%s: there is no service %s", certificate.Name, service)
			}
		}
	}
}

// checkAccess checks that the role names pods of the builders, and that the binding leads from the job to the role.
func checkAccess(t *testing.T, all []meta.Object) {
	t.Helper()
	for _, rule := range find[*rbac.Role](all)[0].Rules {
		for _, pod := range rule.ResourceNames {
			if !named[*apps.StatefulSet](all, strings.TrimSuffix(pod, "-0")) {
				t.Errorf("no StatefulSet has the pod %s", pod)
			}
		}
	}
	binding, job := find[*rbac.RoleBinding](all)[0], find[*batch.Job](all)[0]
	if account := job.Spec.Template.Spec.ServiceAccountName; binding.Subjects[0].Name != account ||
		!named[*core.ServiceAccount](all, account) || !named[*rbac.Role](all, binding.RoleRef.Name) {
		t.Errorf("the binding %+v does not lead from %s to the role", binding, account)
	}
}
