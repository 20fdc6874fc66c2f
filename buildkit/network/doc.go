// Package network gives each step of a build a network of its own, without packages on the machine and without a change
// of its configuration. It holds what the three parts share:
//
//	the keeper of package daemon   chooses the subnets, writes the configuration, starts and ends the relay
//	package network/cni            the CNI plugin that BuildKit runs for each new network namespace
//	package network/relay          a process that dials for the steps, with ordinary sockets in the machine's network
//
// The plugin creates eth0, a TUN device, in the namespace and hands the open device to the relay. The relay is a TCP/IP
// stack in user mode: it takes a connection of a step, dials its destination if that is allowed, and copies bytes both
// ways. So nothing routes between a step and the machine, whatever packets a step forges.
//
//	config.go           what the plugin is told                                   (the file that cniConfigPath names)
//	subnet.go           the addresses of a step and of the relay
//	choose_linux.go     subnets that overlap no route of the machine
//	handoff_linux.go    how the plugin hands a device over to the relay
//
// Plugin and relay are one program, pulumi-buildkit-network, which ships beside the plugin of Pulumi as runc does.
package network
