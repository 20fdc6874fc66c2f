// Package relay is the process that dials for build steps: see package network. It runs in the network of the machine,
// as a user without privileges, and takes each step's device from the CNI plugin.
//
//	run_linux.go         the process: socket, limits, privileges, end                  (Run, privileges_linux.go)
//	relay_linux.go       which steps it serves                                         (Attach, Detach)
//	step_linux.go        one step: a TCP/IP stack of gVisor behind its device
//	packets_linux.go     packets between device and stack
//	destination_linux.go what a connection or datagram of a step is for                (destination)
//	address.go           the addresses that no step reaches                            (mayDial)
//	tcp_linux.go         a connection: dial, accept, copy both ways
//	udp_linux.go         datagrams between two ports, until both are silent
//	dns_linux.go         questions of steps, in resolvers' turn                        (exchange)
//	resolvers_linux.go   the machine's resolvers
//	flows.go             how much of each a step may have
//
// A step decides what arrives here, down to single bits: it has CAP_NET_RAW in its namespace. Everything that it can
// make the relay keep (connections, buffers, questions) is bounded, for each step and for all.
package relay
