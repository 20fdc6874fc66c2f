// Package daemon starts, shares and stops the embedded BuildKit daemon: a real buildkitd. A build that needs the daemon
// starts it, and every process of the user shares it. The daemon stops when nobody has used it for a while. It runs on
// Linux: as root, or as an ordinary user in a user namespace. A daemon has its files in one folder: Options.Dir, or a
// folder below it.
//
//	Acquire       returns a lease on the daemon                              (acquire_linux.go, client_linux.go)
//	startDaemon   starts a keeper, and waits until its daemon answers       (client_start_linux.go)
//	claim         marks a new folder as ours, and refuses one of somebody else's (folder_linux.go, claim_linux.go)
//	checkState    refuses BuildKit's state if others may have changed it     (state_linux.go)
//	compareDaemon compares a daemon with the one that this client would start (identity_linux.go, dial_linux.go)
//	stopDaemon    stops a daemon of another version or configuration         (earlier_linux.go)
//	killDaemon    kills a daemon that does not answer                        (earlier_linux.go)
//	renameUnused  renames the folders of unused daemons beside another       (beside_linux.go)
//	startRemoval  removes folders that were renamed, and the rest of a damaged state (aside_linux.go)
//	checkMachine  finds what the machine lacks                               (machine_linux.go, binaries_linux.go)
//	checkNamespace tries the user namespace of an ordinary user              (namespace_linux.go, mode_linux.go)
//	RunRole       runs the keeper, which starts and stops the daemon         (keeper_linux.go, daemon_linux.go)
//	becomeDaemon  runs buildkitd in its namespaces                           (init_linux.go, config_linux.go)
//	repairState   puts a damaged state aside                                 (damage_linux.go, database_linux.go)
//	makeReserve   keeps space for the time when the disk is full             (reserve_linux.go, space_linux.go)
//	removeLeftovers removes what an earlier daemon left                      (leftovers_linux.go, cgroup_linux.go)
//	chooseSnapshotter takes the fastest way to store files that works        (snapshotter_linux.go)
//	registerEmulators registers QEMU for steps of foreign platforms          (binfmt_linux.go, architecture_linux.go)
//	stepNetwork   gives steps their networks                                 (network_linux.go, package network)
//	Error         says what failed; package provider has the remedies        (fault.go)
//
// Three processes take part. A client holds a lease. The keeper waits until nobody holds one; it has its own session
// and its own mount namespace. The daemon is the init of its own PID and mount namespaces, and dies with the keeper.
// When it dies, the kernel kills every step and removes every mount.
//
// An ordinary user's client starts the keeper through rootlesskit, which makes a user namespace. In it the keeper is
// root, as it is without one. A rootless daemon has no cgroups of its own, and its steps never have the network of the
// machine.
//
// Three locks in the folder say which processes live. They can be trusted, because the kernel releases the locks of a
// process however it ends:
//
//	clients.lock  each lease holds it shared; whoever stops the daemon holds it exclusively, so newcomers wait until
//	              the daemon is gone
//	start.lock    held by the one client that starts or replaces a daemon
//	alive.lock    that client passes it to the keeper, and the keeper also to the daemon: free when both are gone
//
// A client that gets no answer takes start.lock, then tries alive.lock. If alive.lock is held, an earlier keeper or
// daemon still runs: it may be starting, stopping or hanging. The client waits for a third of Options.Limit. If the
// daemon still does not answer, the client kills it, unless others hold leases. If alive.lock is free, the client
// starts a keeper and passes the lock on in the open file. So no second keeper can start in between.
//
// A client joins a daemon if the daemon's configuration is, but for the sizes of the cache, what this client would
// write. The configuration begins with the digests of the programs. The client stops a daemon of another version or
// configuration if nobody holds a lease on it. If somebody does, the client uses a second daemon, in a folder below the
// first one's, which the next daemon that starts in the first one's folder removes after a week without use. The
// process that answers on the socket has to belong to root or this user, and to have alive.lock open.
//
// A client logs which daemon it took and why (Options.Log). The keeper outlives the clients, and logs to debug.log in
// the folder: when the daemon stopped, for example, and why.
//
// The folder has a marker file (markerFile). The package opens everything in the folder relative to the open folder,
// and follows no link (internal/private).
package daemon
