package private

import "golang.org/x/sys/unix"

// searchOnly opens a folder that may be searched and not listed, as /home is on some machines.
const searchOnly = unix.O_PATH
