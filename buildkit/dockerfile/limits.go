package dockerfile

import "time"

// What the frontend may take in a process of its own. Of 284 Dockerfiles of real projects none takes more than 1 % of
// it.
const (
	memoryLimit  = 256 << 20       // bytes of Go's heap and stacks
	cpuLimit     = 5 * time.Second // over all cores
	sizeLimit    = 1 << 20         // bytes of a Dockerfile
	lineLimit    = 50_000          // lines of a Dockerfile
	warningLimit = 100             // warnings of a build; a dry run has none
	messageLimit = 16 << 20        // bytes of a message to or from a daemon, and thus of an LLB definition
)

// How many such processes run at a time. Those of dry runs wait for nobody; those of builds wait for registries.
const (
	dryProcesses   = 2
	buildProcesses = 4
)

// Exit codes of the child.
const (
	exitMemory = 70
	exitTime   = 71
	exitOrphan = 72
)
