package daemon

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// configText is buildkitd.toml with what differs from one place to another left out.
//
// No history: it would keep the output of steps on disk. The garbage collection is BuildKit's default but for local sources,
// which BuildKit drops when they were not used for two days: after a weekend every file would be sent again.
//
// A step has a network of its own, from the CNI plugin. A build may have that of the machine: its client decides, which
// grants the entitlement only when the program says so. There are no resolvers here: BuildKit would also show them to steps
// in the network of the machine, which cannot reach the relay.
const configText = `# Written at each start: changes are lost.
root = %[1]s
insecure-entitlements = ["network.host"]

[grpc]
address = [%[2]s]

[otel]
socketPath = %[3]s

[history]
maxEntries = 0

[worker.containerd]
enabled = false

[worker.oci]
enabled = true
snapshotter = "overlayfs"
binary = %[4]s
defaultCgroupParent = %[5]s
networkMode = "cni"
cniConfigPath = %[8]s
cniBinaryPath = %[9]s
cniPoolSize = 0
gc = true

[[worker.oci.gcpolicy]]
filters = ["type==source.local"]
keepDuration = "336h"
maxUsedSpace = "512000000"

[[worker.oci.gcpolicy]]
filters = ["type==exec.cachemount", "type==source.git.checkout"]
keepDuration = "48h"
maxUsedSpace = "512000000"

[[worker.oci.gcpolicy]]
keepDuration = "1440h"
reservedSpace = %[6]s
maxUsedSpace = %[7]s
minFreeSpace = "20%%"

[[worker.oci.gcpolicy]]
reservedSpace = %[6]s
maxUsedSpace = %[7]s
minFreeSpace = "20%%"

[[worker.oci.gcpolicy]]
all = true
reservedSpace = %[6]s
maxUsedSpace = %[7]s
minFreeSpace = "20%%"
`

func (k keeper) writeConfig() error {
	parent, err := k.cgroupParent()
	if err != nil {
		return err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(string(k.place), &disk); err != nil {
		return fmt.Errorf("%s: %w", k.place, err)
	}
	size := int64(disk.Blocks) * disk.Bsize
	text := fmt.Sprintf(configText, strconv.Quote(k.path(rootFolder)), strconv.Quote(k.endpoint()), strconv.Quote(k.path(traceFile)),
		strconv.Quote(k.runc), strconv.Quote(parent), share(size, 10, 10e9), share(size, 80, 100e9),
		strconv.Quote(k.path(networkConfig)), strconv.Quote(k.path(pluginFolder)))
	registries, err := registriesConfig(string(k.place))
	if err != nil {
		return err
	}
	return os.WriteFile(k.path(configFile), []byte(text+registries), 0o600)
}

// share is the smaller of a percentage of a disk and a number of bytes, as buildkitd.toml has it.
func share(disk, percentage, limit int64) string {
	if disk/100*percentage > limit {
		return strconv.Quote(strconv.FormatInt(limit, 10))
	}
	return strconv.Quote(strconv.FormatInt(percentage, 10) + "%")
}
