package provider

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// engineRun returns a text that all processes of one run of the engine share, and the folder in which they leave files
// for each other. It returns two empty texts if no engine started this process.
//
// A preview, also the one of pulumi up, and an update are two runs. Each has its own address, which is the last
// argument. In containers the engine's process id is the same in every run, and its port may repeat. So where the
// system tells it, the text contains the time at which the engine started.
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
