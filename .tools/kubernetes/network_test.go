package kubernetes

import (
	"net/netip"
	"slices"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// checkNetwork checks that policies let each job reach the builders, and the builders reach pods and other addresses.
func checkNetwork(t *testing.T, all []meta.Object) {
	t.Helper()
	for _, network := range find[*networking.NetworkPolicy](all) {
		for _, rule := range network.Spec.Ingress {
			for _, peer := range rule.From {
				checkSource(t, all, peer)
			}
			for _, port := range rule.Ports {
				checkPort(t, all, port)
			}
		}
		var pods bool
		for _, rule := range network.Spec.Egress {
			for _, peer := range rule.To {
				pods = pods || peer.NamespaceSelector != nil
				checkBlock(t, peer.IPBlock)
			}
		}
		if !pods {
			t.Errorf("%s: no rule of egress selects pods, so a builder may not reach DNS", network.Name)
		}
	}
}

// checkSource checks that a policy lets each job in.
func checkSource(t *testing.T, all []meta.Object, peer networking.NetworkPolicyPeer) {
	t.Helper()
	for _, job := range find[*batch.Job](all) {
		if peer.PodSelector == nil || !labels.SelectorFromSet(peer.PodSelector.MatchLabels).
			Matches(labels.Set(job.Spec.Template.Labels)) {
			t.Errorf("the network policy does not let the job %s in", job.Name)
		}
	}
}

// checkPort checks that each builder listens at a port of a policy.
func checkPort(t *testing.T, all []meta.Object, port networking.NetworkPolicyPort) {
	t.Helper()
	for _, set := range find[*apps.StatefulSet](all) {
		if !slices.ContainsFunc(set.Spec.Template.Spec.Containers[0].Ports, func(p core.ContainerPort) bool {
			return p.ContainerPort == port.Port.IntVal
		}) {
			t.Errorf("%s does not listen at %s", set.Name, port.Port)
		}
	}
}

// checkBlock checks that the exceptions of a block are in it. A cluster refuses others.
func checkBlock(t *testing.T, block *networking.IPBlock) {
	t.Helper()
	if block == nil {
		return
	}
	whole, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		t.Fatal(err)
	}
	for _, except := range block.Except {
		part, err := netip.ParsePrefix(except)
		if err != nil || !whole.Contains(part.Addr()) || part.Bits() <= whole.Bits() || part.Masked() != part {
			t.Errorf("%s is no part of %s: %v", except, block.CIDR, err)
		}
	}
}
