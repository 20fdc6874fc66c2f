// Package tunnel lets our BuildKit in a Docker Engine reach a port of the plugin's loopback. The engine may run in a
// virtual machine or on another machine, where the loopback is another one.
//
//	Listen  listens on the port in the network of the engine          (listen_linux.go, claim_linux.go)
//	Serve   connects to the same port on the machine of the plugin    (serve.go, target.go)
//	Prover  shows that two processes have the same loopback           (proof.go)
//
// One exec of a container joins the two. Its standard input and output carry lines of JSON: a Request, perhaps
// questions with a Verdict each, and an Answer. Then they carry HTTP/2 without TLS. Listen is the client, and makes a
// CONNECT for each connection that it accepts (https://www.rfc-editor.org/rfc/rfc9113.html#section-8.5).
package tunnel

import "time"

// ClaimLimit bounds how long Listen waits for a tunnel to another machine to end.
const ClaimLimit = time.Minute

const (
	// maxConnections bounds the connections through one tunnel. BuildKit has a few to each registry.
	maxConnections = 100
	// dialLimit bounds a connection to a port of a loopback.
	dialLimit = 5 * time.Second
	// pingInterval and pingLimit say when one side notices that the other is gone without a word.
	pingInterval = 15 * time.Second
	pingLimit    = 10 * time.Second
)
