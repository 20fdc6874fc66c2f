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
	debug.SetMemoryLimit(MemoryLimit) // the collector works harder before
	debug.SetMaxStack(MemoryLimit / 2)
	limitMemory()
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(watchPoll) {
		metrics.Read(samples)
		if samples[0].Value.Uint64()-samples[1].Value.Uint64() > MemoryLimit {
			os.Exit(exitMemory)
		}
		if cpuTime() > CPULimit {
			os.Exit(exitTime)
		}
	}
}
