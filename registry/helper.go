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

// askHelper runs docker-credential-<suffix> with docker's protocol: the address on stdin, JSON on stdout. A helper that
// says it has nothing gives the zero Credential. Nothing that it prints is in the error: it may be the secret.
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
		return Credential{}, fail(fault.HelperEndless, fmt.Sprintf(`: %v; it should answer with {"Username":..., "Secret":...}`, err), err)
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

// helperProgram is the name of a credential helper.
func helperProgram(suffix string) string { return "docker-credential-" + suffix }

func runHelper(ctx context.Context, program, address string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.Stdin = strings.NewReader(address)
	output, _, err := subprocess.Output(cmd)
	return output, err
}

// decodeHelper reads the answer of a helper. ok is false when it is none.
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

// hasNothing knows the one sentence by which helpers say that there is no entry.
func hasNothing(output []byte) bool {
	return bytes.Contains(bytes.ToLower(output), []byte("credentials not found"))
}

// helperAddress is what docker login stored the credential under.
func helperAddress(host string) string {
	if host == fault.DockerHub {
		return dockerHubKey
	}
	return host
}
