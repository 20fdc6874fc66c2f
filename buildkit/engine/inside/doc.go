// Package inside is what runs in the container of our BuildKit in a Docker Engine: Serve is its first process, Connect
// is the process that a client of the engine starts in it for each connection, and package tunnel has a process for
// each tunnel. The daemon is that of package daemon, with its locks, its idle time and its networks of steps.
package inside

// Roles of the program in the container, its first argument.
const (
	ServeRole   = "serve"
	ConnectRole = "connect"
	TunnelRole  = "tunnel"
)

// Program is the name of the program in the container and in the plugin's archive.
const Program = "pulumi-buildkit-builder"

// StateFolder is where the container keeps the daemon's state: a volume.
const StateFolder = "/var/lib/pulumi-buildkit"

// Settings is what a client tells Connect, as JSON in the first line of its standard input.
type Settings struct {
	// Key identifies the programs in the container. Daemons of other programs have other folders in the same volume,
	// because a client cannot ask or stop a daemon in another container.
	Key string `json:"key"`
	// Registries holds, by host, the registries that have mirrors, and those that are not reached by https with the
	// machine's own authorities.
	Registries map[string]Registry `json:"registries,omitempty"`
	// Environ is what the daemon inherits of the client. It may hold the password of a proxy, which the engine would
	// show and log in the environment of a process.
	Environ map[string]string `json:"environ,omitempty"`
}

// Registry says how to reach a registry.
type Registry struct {
	CA        string `json:"ca,omitempty"` // the registry's certificate authorities, in PEM
	PlainHTTP bool   `json:"plainHTTP,omitempty"`
	// Mirrors are asked for images before the registry, in this order.
	Mirrors []string `json:"mirrors,omitempty"`
}

// Greeting is what Connect tells a client, as JSON in the first line of its standard output.
type Greeting struct {
	// Notes are for people. Only the client that starts the daemon gets them.
	Notes []string `json:"notes,omitempty"`
	// Offline is why steps have no network, or "".
	Offline string `json:"offline,omitempty"`
	// Rootless tells whether the container is in a user namespace. BuildKit then gives steps no cgroups.
	Rootless bool `json:"rootless,omitempty"`
}
