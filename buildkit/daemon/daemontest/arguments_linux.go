package daemontest

import (
	"fmt"
	"os"
	"strconv"
)

// ProcessIDs returns the numbers of the processes of this machine.
func ProcessIDs() (ids []int) {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = folder.Close() }()
	names, _ := folder.Readdirnames(-1)
	for _, name := range names {
		if id, err := strconv.Atoi(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// ProcessArguments returns the arguments of a process, each with a zero byte at its end. It returns "" if the process
// has ended.
func ProcessArguments(id int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
	return string(text)
}
