// Package kubernetes checks the manifests of examples/kubernetes with the types of Kubernetes and cert-manager.
package kubernetes

import (
	"fmt"
	"os"
	"regexp"
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
		for _, other := range append(slices.Clone(optional), "") {
			t.Run(builders+" "+other, func(t *testing.T) {
				t.Parallel()
				check(t, appliedObjects(t, builders, other))
			})
		}
	}
}

// check checks objects that are applied together.
func check(t *testing.T, all []meta.Object) {
	t.Helper()
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
	for _, job := range find[*batch.Job](all) {
		checkJob(t, all, job)
	}
	checkSelectors(t, all)
	checkNetwork(t, all)
	checkCertificates(t, all)
	checkAccess(t, all)
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
	var claims []string
	for _, claim := range set.Spec.VolumeClaimTemplates {
		claims = append(claims, claim.Name)
	}
	checkPod(t, all, set.Name, pod.Spec, claims)
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		checkImage(t, container.Image, "moby/buildkit:", "../buildkit/go.mod", "github.com/moby/buildkit ")
	}
}

// hasSecret reports whether a certificate makes a secret.
func hasSecret(all []meta.Object, name string) bool {
	return slices.ContainsFunc(find[*certmanager.Certificate](all), func(c *certmanager.Certificate) bool {
		return c.Spec.SecretName == name
	})
}

// checkImage checks that the image has the version that the plugin is tested with: that of a module in file.
func checkImage(t *testing.T, image, repository, file, module string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	version, ok := strings.CutPrefix(strings.TrimSuffix(image, "-rootless"), repository)
	wanted := regexp.MustCompile(regexp.QuoteMeta(module+version) + `\s`)
	if !ok || !wanted.Match(text) {
		t.Errorf("%s is not the version in %s", image, file)
	}
}

// checkSelectors checks that services and budgets select builders, and that an autoscaler has its target.
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
	for _, network := range find[*networking.NetworkPolicy](all) {
		selects("the network policy", network.Spec.PodSelector.MatchLabels)
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
