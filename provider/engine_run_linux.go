package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// startTime returns when a process started, in ticks since the boot, or "" if the system does not tell.
func startTime(pid int) string {
	text, err := file.Read(context.Background(), fmt.Sprintf("/proc/%d/stat", pid), 4<<10)
	if err != nil {
		return ""
	}
	// The name of the program, in parentheses, may have anything in it: see proc_pid_stat(5).
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}
