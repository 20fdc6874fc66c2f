// Package daemon is the embedded BuildKit daemon: a real buildkitd that is started when a build needs one, shared by every
// process of the user, and ended when nobody has used it for a while. It runs on Linux, as root.
//
//	Acquire    a lease on the daemon, which is started when none answers        (acquire_linux.go, start_linux.go, evict_linux.go)
//	claim      whose folder it is, and what others may have put into it         (place_linux.go, claim_linux.go, state_linux.go)
//	ask        whether the daemon is the one that this client would start       (identity_linux.go, dial_linux.go)
//	unfit      what the machine lacks, each with its remedy                     (unfit_linux.go, binaries_linux.go)
//	RunKeeper  the keeper, which clears, starts and ends                        (keeper_linux.go)
//	runDaemon  the daemon in its namespaces, with its configuration             (daemon_linux.go, config_linux.go)
//	clear      what a killed predecessor left                                   (clear_linux.go, cgroup_linux.go, mounts_linux.go)
//	emulate    steps of foreign platforms, through QEMU                         (binfmt_linux.go, handler_linux.go, emulator_linux.go)
//
// Three processes take part. A client holds a lease. The keeper, a session of its own in a mount namespace of its own, waits
// until nobody does. The daemon is the init of its own PID and mount namespaces, so that the kernel ends every step and drops
// every mount when it dies, and it dies with the keeper.
//
// Three locks in the folder say what is true, for the kernel frees them whatever kills a process:
//
//	clients.lock  shared by each lease; exclusive: the keeper ends the daemon, newcomers wait until it is gone
//	start.lock    held by the one client that starts or replaces a daemon
//	alive.lock    passed from that client to the keeper to the daemon: free when nothing of them is left
//
// A client that finds no answer asks for start.lock, then for alive.lock. Without that one, something still lives: a daemon that
// starts or ends, which is waited for, or one that hangs, which is killed unless others hold leases. With it, the client starts a
// keeper and passes the lock on in the open file, so that there is no moment in which a second keeper could start.
//
// A daemon is joined if its configuration is, to the byte, what this client would write: that begins with the digests of the
// programs. Another one is ended when nobody holds a lease on it; beside one that is used, a client starts its own daemon in a
// folder below. Who answers on the socket has to be a process of root's or of this user's that has alive.lock open.
//
// The folder has a marker. Everything in it is reached through the open folder, without following links (internal/private).
package daemon
