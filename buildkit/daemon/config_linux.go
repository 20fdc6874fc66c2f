package daemon

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// configTitle is the first line of buildkitd.toml, also of releases that put no marker into the folder.
const configTitle = "# Written at each start: changes are lost."

// configText is the format of buildkitd.toml; setup.configuration fills in paths, sizes and settings.
//
// There is no history: it would keep the output of steps on disk. The garbage collection is BuildKit's default except
// for local sources. BuildKit removes those that were not used for two days: after a weekend every file would be sent
// again.
//
// The CNI plugin gives each step its own network. If root runs the daemon, a step may have the network of the machine
// instead: the client grants this entitlement only if the Pulumi program asks for it. No resolvers are set: BuildKit
// would also show them to steps in the network of the machine, which cannot reach the relay.
const configText = `root = %[1]s
insecure-entitlements = %[10]s

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
snapshotter = %[11]s
binary = %[4]s
%[5]s
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

// writeConfig writes the configuration of the daemon, and the digests of its programs.
func (s setup) writeConfig() error {
	programs, err := s.findDigests()
	if err != nil {
		return err
	}
	text, err := s.configurationWith(programs)
	if err != nil {
		return err
	}
	return errors.Join(s.Write(configFile, []byte(text)), s.writeDigests(programs))
}

// configuration returns the text of buildkitd.toml. The text is always the same for the same programs and settings, so
// clients compare daemons by it.
func (s setup) configuration() (string, error) {
	programs, err := s.findDigests()
	if err != nil {
		return "", err
	}
	return s.configurationWith(programs)
}

// configurationWith returns the text of buildkitd.toml for programs with these digests.
func (s setup) configurationWith(programs digests) (string, error) {
	privileges, entitlements, err := s.privilegesConfig()
	if err != nil {
		return "", err
	}
	reserved, used, err := s.cacheSizes()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(configText,
		quote(inDaemon(rootFolder)), quote("unix://"+inDaemon(socketFile)), quote(inDaemon(traceFile)),
		quote(s.runcPath()), privileges, reserved, used,
		quote(inDaemon(networkConfig)), quote(inDaemon(pluginFolder)), entitlements,
		quote(readSnapshotter(s.daemonFolder)))
	registries, err := registriesConfig(s.daemonFolder)
	return configTitle + "\n" + identity(s, programs) + text + registries, err
}

// privilegesConfig returns the lines of the worker and the list of entitlements that depend on the mode. An ordinary
// user has no permission to make cgroups.
func (s setup) privilegesConfig() (lines, entitlements string, err error) {
	if s.mode == rootless {
		return "rootless = true", "[]", nil
	}
	parent, err := s.cgroupParent()
	return "defaultCgroupParent = " + quote(parent), `["network.host"]`, err
}

// quote returns a text, which must be UTF-8, as a basic string of TOML.
func quote(text string) string {
	quoted := []byte{'"'}
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			quoted = append(quoted, '\\', byte(r))
		case unicode.IsPrint(r):
			quoted = utf8.AppendRune(quoted, r)
		default:
			quoted = fmt.Appendf(quoted, "\\U%08X", r)
		}
	}
	return string(append(quoted, '"'))
}

// quoteList returns texts, which must be UTF-8, as the elements of an array of TOML.
func quoteList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return strings.Join(quoted, ", ")
}

// cacheSizes returns how much of the cache the garbage collection always keeps, and how much it keeps at most.
func (s setup) cacheSizes() (reserved, used string, err error) {
	const defaultReserved, defaultUsed = 10e9, 100e9
	disk, err := diskSize(s.daemonFolder)
	if s.size == 0 || err != nil {
		return diskShare(disk, 10, defaultReserved), diskShare(disk, 80, defaultUsed), err
	}
	least := min(disk/10, defaultReserved, s.size)
	return quote(strconv.FormatInt(least, 10)), quote(strconv.FormatInt(s.size, 10)), nil
}

// withoutSizes returns a configuration without the sizes of the cache. Daemons that differ in them alone are the same:
// another size must not need another cache.
func withoutSizes(config string) string {
	return sizeLines.ReplaceAllString(config, "")
}

var sizeLines = regexp.MustCompile(`(?m)^(?:reservedSpace|maxUsedSpace) = .*\n`)

// diskShare returns the smaller of a percentage of a disk and a number of bytes, in the format of buildkitd.toml.
func diskShare(disk, percentage, limit int64) string {
	if disk/100*percentage > limit {
		return quote(strconv.FormatInt(limit, 10))
	}
	return quote(strconv.FormatInt(percentage, 10) + "%")
}
