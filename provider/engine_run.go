package provider

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// engineRun returns what all processes of one run of the engine have in common, and the folder of that name in which
// they leave files for each other; two empty texts when no engine started this process. A preview, also the one of
// pulumi up, and an update are two runs: each has an address of its own, the last argument.
//
// In containers the engine's process id is the same in every run, and its port may be once in a while: where the
// system tells, the time when the engine started is a part of the name.
func engineRun(folder string) (engine, dir string) {
	address, err := netip.ParseAddrPort(os.Args[len(os.Args)-1])
	if err != nil {
		return "", ""
	}
	base, err := private.CacheFolder()
	if err != nil {
		return "", ""
	}
	engine = fmt.Sprintf("%d since %s at %s", os.Getppid(), startTime(os.Getppid()), address)
	return engine, filepath.Join(base, folder)
}
