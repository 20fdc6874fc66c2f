package dockerfile

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// watchPoll is how often the child looks at what it takes. Go writes about 100 MB in that time.
const watchPoll = 5 * time.Millisecond

// watchBudget ends this process when it takes more than it may.
func watchBudget() {
	debug.SetMemoryLimit(memoryLimit) // the collector works harder before
	debug.SetMaxStack(memoryLimit / 2)
	limitMemory()
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(watchPoll) {
		metrics.Read(samples)
		if samples[0].Value.Uint64()-samples[1].Value.Uint64() > memoryLimit {
			os.Exit(exitMemory)
		}
		if cpuTime() > cpuLimit {
			os.Exit(exitTime)
		}
	}
}
