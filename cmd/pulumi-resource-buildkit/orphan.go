package main

import (
	"os"
	"time"
)

// orphanPoll is how often the plugin looks whether the engine that started it still lives.
const orphanPoll = time.Second

// reportWatchEnd writes to stderr that the plugin no longer looks for the engine. The operations go on.
func reportWatchEnd(err error) {
	_, _ = os.Stderr.WriteString("pulumi-resource-buildkit: the watch for the engine's end " + err.Error() + "\n")
}

// exitWithEngine ends this process when the one that started it is gone.
//
// An engine that got kill -9 cannot end its plugins, and an update that nobody waits for must not go on to move tags.
func exitWithEngine(alive func() bool) {
	for range time.Tick(orphanPoll) {
		if !alive() {
			_, _ = os.Stderr.WriteString("pulumi-resource-buildkit: the engine that started this plugin is gone\n")
			os.Exit(1)
		}
	}
}
