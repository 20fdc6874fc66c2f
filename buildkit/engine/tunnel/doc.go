// Package tunnel lets our BuildKit in a Docker Engine reach a port of the plugin's loopback. The engine may run in a
// virtual machine or on another machine, where the loopback is another one.
//
//	Listen   listens on the port in the network of the engine        (listen_linux.go, claim_linux.go)
//	Serve    connects to the same port on the machine of the plugin  (serve.go, target.go)
//	Machine  identifies the loopback of this process                 (machine_linux.go and its siblings)
//
// One exec of a container joins the two. Its standard input and output carry one line of JSON each, a Request and an
// Answer, and then HTTP/2 without TLS. Listen is the client, and makes a CONNECT for each connection that it accepts
// (https://www.rfc-editor.org/rfc/rfc9113.html#section-8.5).
package tunnel

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Request is what the plugin tells Listen.
type Request struct {
	Address string `json:"address"` // a loopback address with its port: 127.0.0.1:5000
	Machine string `json:"machine"` // identifies the loopback that the tunnel leads to
}

// State is what Listen found at the address.
type State string

// The states of an address.
const (
	Listening State = "listening" // the tunnel is open
	Occupied  State = "occupied"  // something of the engine's own network answers there: no tunnel is needed
	Claimed   State = "claimed"   // a tunnel to another machine is open there
)

// Answer is what Listen answers to a Request.
type Answer struct {
	State State `json:"state"`
}

// ClaimLimit bounds how long Listen waits for a tunnel to another machine to end.
const ClaimLimit = time.Minute

const (
	// maxConnections bounds the connections through one tunnel. BuildKit has a few to each registry.
	maxConnections = 100
	// machineLimit bounds the identity of a machine.
	machineLimit = 256
	// dialLimit bounds a connection to a port of a loopback.
	dialLimit = 5 * time.Second
	// pingInterval and pingLimit say when one side notices that the other is gone without a word.
	pingInterval = 15 * time.Second
	pingLimit    = 10 * time.Second
)

// hash returns an identity that shows nothing of its parts: other users of the engine can read it.
func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}
