package kubernetes

import (
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The objects that the user makes. The page and job.yaml name them.
const (
	userSecret = "pulumi"
	userClaim  = "source"
)

// checkPod checks what the volumes, mounts and variables of a pod name. claims are volumes of a StatefulSet.
func checkPod(t *testing.T, all []meta.Object, owner string, pod core.PodSpec, claims []string) {
	t.Helper()
	volumes := slices.Clone(claims)
	for _, volume := range pod.Volumes {
		volumes = append(volumes, volume.Name)
		if c := volume.ConfigMap; c != nil && !named[*core.ConfigMap](all, c.Name) {
			t.Errorf("%s: there is no ConfigMap %s", owner, c.Name)
		}
		if s := volume.Secret; s != nil && !hasSecret(all, s.SecretName) {
			t.Errorf("%s: no certificate makes the secret %s", owner, s.SecretName)
		}
		if c := volume.PersistentVolumeClaim; c != nil && c.ClaimName != userClaim {
			t.Errorf("%s: there is no claim %s", owner, c.ClaimName)
		}
	}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, mount := range container.VolumeMounts {
			if !slices.Contains(volumes, mount.Name) {
				t.Errorf("%s: there is no volume %s", owner, mount.Name)
			}
		}
		for _, variable := range container.Env {
			from := variable.ValueFrom
			if from != nil && (from.SecretKeyRef == nil || from.SecretKeyRef.Name != userSecret) {
				t.Errorf("%s: nothing has the value of %s", owner, variable.Name)
			}
		}
	}
	if account := pod.ServiceAccountName; account != "" && !named[*core.ServiceAccount](all, account) {
		t.Errorf("%s: there is no service account %s", owner, account)
	}
}

// checkJob checks what a job names, and that it installs the plugin with a CLI that is tested.
func checkJob(t *testing.T, all []meta.Object, job *batch.Job) {
	t.Helper()
	pod := job.Spec.Template.Spec
	checkPod(t, all, job.Name, pod, nil)
	for _, container := range pod.Containers {
		checkImage(t, container.Image, "pulumi/pulumi:", "../pulumi/go.mod", "github.com/pulumi/pulumi/pkg/v3 v")
		if !strings.HasPrefix(strings.Join(container.Args, ""), "pulumi plugin install resource buildkit v") {
			t.Errorf("%s does not install the plugin first: %q", job.Name, container.Args)
		}
	}
}

// checkAccess checks that each role names pods of the builders, and that each binding leads from an account to a role.
func checkAccess(t *testing.T, all []meta.Object) {
	t.Helper()
	for _, role := range find[*rbac.Role](all) {
		for _, rule := range role.Rules {
			for _, pod := range rule.ResourceNames {
				if !named[*apps.StatefulSet](all, strings.TrimSuffix(pod, "-0")) {
					t.Errorf("no StatefulSet has the pod %s", pod)
				}
			}
		}
	}
	for _, binding := range find[*rbac.RoleBinding](all) {
		if ref := binding.RoleRef; ref.Kind != "Role" || !named[*rbac.Role](all, ref.Name) {
			t.Errorf("%s: there is no role %+v", binding.Name, ref)
		}
		for _, s := range binding.Subjects {
			if s.Kind != "ServiceAccount" || s.Namespace != "ci" || !named[*core.ServiceAccount](all, s.Name) {
				t.Errorf("%s: there is no service account %+v", binding.Name, s)
			}
		}
	}
}
