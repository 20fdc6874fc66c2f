//go:build linux

package daemon_test

import (
	"os/exec"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// The error names each thing that keeps an ordinary user from running a daemon.
func TestOrdinaryUserWithoutNamespaces(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("NOT TESTED: newuidmap is not installed: run .tools/require uidmap")
	}
	const subordinates = "nobody:100000:65536\n"
	for name, c := range map[string]struct {
		machine daemontest.Machine
		want    []string
	}{
		"no subordinate IDs": {daemontest.Machine{}, []string{
			"- /etc/subuid gives user nobody fewer than 65536 subordinate IDs",
			"- /etc/subgid gives user nobody fewer than 65536 subordinate IDs",
		}},
		"few subordinate IDs": {
			daemontest.Machine{Subordinates: "nobody:100000:1000\nx:100000:65536\n"}, []string{"- /etc/subuid gives"},
		},
		"limit": {daemontest.Machine{Subordinates: subordinates, Seccomp: true, Settings: map[string]string{
			"user/max_user_namespaces": "0",
		}}, []string{"- no user namespaces are allowed on this machine: user.max_user_namespaces is 0"}},
		"Debian": {daemontest.Machine{Subordinates: subordinates, Seccomp: true, Settings: map[string]string{
			"kernel/unprivileged_userns_clone": "0",
		}}, []string{"- only root may make user namespaces on this machine: kernel.unprivileged_userns_clone is 0"}},
		"AppArmor": {daemontest.Machine{Subordinates: subordinates, Seccomp: true, Settings: map[string]string{
			"kernel/apparmor_restrict_unprivileged_userns": "1",
		}}, []string{
			"- AppArmor takes the privileges of user namespaces away on this machine: kernel.apparmor_restrict_unpr",
		}},
		"seccomp": {daemontest.Machine{Subordinates: subordinates, Seccomp: true}, []string{
			"- a seccomp filter, as containers have, forbids user namespaces",
		}},
		"no setuid": {daemontest.Machine{Subordinates: subordinates, NoNewPrivs: true}, []string{
			"- this process cannot gain privileges (no_new_privs), and newuidmap needs them",
		}},
		"hidden /proc": {
			daemontest.Machine{Subordinates: subordinates, Settings: map[string]string{"kernel/x": "1"}},
			[]string{"- parts of /proc are hidden here, so a user namespace cannot mount its own /proc"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ordinaryError(t, c.machine)
			wantTexts(t, got, append(c.want, "the embedded BuildKit daemon cannot run here:\n- ")...)
		})
	}
	t.Run("no newuidmap", func(t *testing.T) {
		t.Parallel()
		wantTexts(t, ordinaryError(t, daemontest.UsualMachine, "PATH=/nowhere"),
			"- buildkitd is neither in ", "- rootlesskit is neither in ",
			"- newuidmap is not on PATH (/nowhere)", "- newgidmap is not on PATH (/nowhere)")
	})
}
