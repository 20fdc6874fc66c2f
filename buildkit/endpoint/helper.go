package endpoint

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os/exec"

	"github.com/moby/buildkit/client/connhelper"
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"  // docker-container://
	_ "github.com/moby/buildkit/client/connhelper/kubepod"          // kube-pod://
	_ "github.com/moby/buildkit/client/connhelper/nerdctlcontainer" // nerdctl-container://
	_ "github.com/moby/buildkit/client/connhelper/npipe"            // npipe://
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"  // podman-container://
	_ "github.com/moby/buildkit/client/connhelper/ssh"              // ssh://
)

// programs maps the scheme of an endpoint to the program that connects to it.
var programs = map[string]string{
	"docker-container":  "docker",
	"podman-container":  "podman",
	"nerdctl-container": "nerdctl",
	"kube-pod":          "kubectl",
	"ssh":               "ssh",
}

// connectionHelper returns BuildKit's connection helper for an endpoint.
func connectionHelper(u *url.URL) (*connhelper.ConnectionHelper, error) {
	helper, err := connhelper.GetConnectionHelper(u.String())
	if err == nil && helper == nil {
		err = errors.New("BuildKit has no connection helper for this scheme")
	}
	return helper, err
}

// MissingProgramError says that an endpoint needs a program that is not on PATH.
type MissingProgramError struct{ Endpoint, Program string }

// Error names the endpoint and the program.
func (e *MissingProgramError) Error() string {
	return e.Endpoint + ": the program " + e.Program + " connects to it and is not on PATH"
}

// dialHelper connects through a program of the machine, which exits when the connection is closed. It returns a
// *MissingProgramError if the program is not on PATH.
func (e Endpoint) dialHelper(ctx context.Context) (net.Conn, error) {
	u, err := url.Parse(e.text)
	if err != nil {
		return nil, err
	}
	helper, err := connectionHelper(u)
	if err != nil {
		return nil, err
	}
	program := programs[e.scheme]
	if program == "" {
		return helper.ContextDialer(ctx, e.text)
	}
	if _, err := exec.LookPath(program); err != nil {
		return nil, &MissingProgramError{Endpoint: e.text, Program: program}
	}
	conn, err := helper.ContextDialer(ctx, e.text)
	if err != nil {
		return nil, err
	}
	return newProgramConn(conn, program), nil
}
