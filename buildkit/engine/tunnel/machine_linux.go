package tunnel

import (
	"context"
	"os"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Machine identifies the loopback of this process: the network namespace of one start of the kernel.
func Machine(ctx context.Context) (string, error) {
	boot, err := file.Read(ctx, "/proc/sys/kernel/random/boot_id", machineLimit)
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/net")
	return hash("linux", strings.TrimSpace(string(boot)), namespace), err
}
