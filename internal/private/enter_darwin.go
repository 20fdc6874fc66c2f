package private

import "golang.org/x/sys/unix"

// searchOnly opens a folder that may be listed: macOS opens no other one here.
const searchOnly = unix.O_RDONLY
