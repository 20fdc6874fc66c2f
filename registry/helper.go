package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// helperTimeout leaves a person time to unlock a key store.
const helperTimeout = time.Minute

// helperToken is the user name under which helpers answer with an identity token instead of a password.
const helperToken = "<token>"

// askHelper runs docker-credential-<suffix> with docker's protocol: the address on stdin, JSON on stdout. It returns
// the zero Credential if the helper says that it has none. Its error shows nothing that the helper prints, which may be
// the secret.
func askHelper(ctx context.Context, suffix, host string) (Credential, error) {
	program := helperProgram(suffix)
	fail := func(kind fault.Kind, text string, causes ...error) *fault.Error {
		e := fault.New(kind, program+text, causes...)
		e.Program, e.Address = program, helperAddress(host)
		return e
	}
	ctx, cancel := context.WithTimeoutCause(ctx, helperTimeout,
		fail(fault.HelperSilent, fmt.Sprintf(" did not answer within %s", helperTimeout)))
	defer cancel()
	output, err := runHelper(ctx, program, helperAddress(host))
	switch {
	case ctx.Err() != nil:
		return Credential{}, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return Credential{}, fail(fault.HelperMissing, " is not on PATH")
	case errors.Is(err, subprocess.ErrLimit):
		text := fmt.Sprintf(`: %v; it should answer with {"Username":..., "Secret":...}`, err)
		return Credential{}, fail(fault.HelperEndless, text, err)
	case err != nil && hasNothing(output):
		return Credential{}, nil
	case err != nil:
		return Credential{}, fail(fault.HelperFailed, fmt.Sprintf(": %v", err), err)
	}
	found, ok := decodeHelper(output)
	if !ok {
		return Credential{}, fail(fault.HelperGarbled, ` did not answer with {"Username":..., "Secret":...}`)
	}
	return found, nil
}

// helperProgram returns the name of a credential helper.
func helperProgram(suffix string) string { return "docker-credential-" + suffix }

// runHelper returns what the helper prints for an address.
func runHelper(ctx context.Context, program, address string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.Stdin = strings.NewReader(address)
	output, _, err := subprocess.Output(cmd)
	return output, err
}

// decodeHelper reads the answer of a helper. ok is false when it does not have the form of one.
func decodeHelper(output []byte) (found Credential, ok bool) {
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal(output, &answer); err != nil {
		return Credential{}, false
	}
	if answer.Username == helperToken {
		return Credential{IdentityToken: answer.Secret}, true
	}
	return Credential{Username: answer.Username, Password: answer.Secret}, true
}

// hasNothing reports whether a helper says that it has no entry, for which all helpers use one sentence.
func hasNothing(output []byte) bool {
	return bytes.Contains(bytes.ToLower(output), []byte("credentials not found"))
}

// helperAddress returns the address under which docker login stored the credential.
func helperAddress(host string) string {
	if host == fault.DockerHub {
		return dockerHubKey
	}
	return host
}
