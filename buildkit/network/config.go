package network

import (
	"encoding/json"
	"net/netip"
)

// Program is the name of the program that is the CNI plugin and the relay.
const Program = "pulumi-buildkit-network"

// RelayRole is the first argument of the relay. The subnets follow.
const RelayRole = "relay"

// MTU of a step's device, in bytes. A larger one copies faster; at 65520 connections were seen to stall for seconds.
const MTU = 16384

// Config is the configuration of the CNI plugin, as BuildKit passes it on from the file that cniConfigPath names.
type Config struct {
	CNIVersion string `json:"cniVersion"`
	Name       string `json:"name"`
	Type       string `json:"type"` // the name of the plugin's program
	// Device is the path of the TUN device. It is empty on a machine without a usable one: a step then has its own
	// loopback only.
	Device  string         `json:"device,omitempty"`
	Socket  string         `json:"socket,omitempty"` // where the relay listens
	Subnets []netip.Prefix `json:"subnets,omitempty"`
}

// NewConfig returns the configuration of a network whose relay listens at socket.
func NewConfig(device, socket string, subnets []netip.Prefix) Config {
	return Config{
		CNIVersion: "1.0.0", Name: "pulumi-buildkit", Type: Program, Device: device, Socket: socket, Subnets: subnets,
	}
}

// Text returns the content of the file.
func (c Config) Text() ([]byte, error) { return json.MarshalIndent(c, "", "  ") }
