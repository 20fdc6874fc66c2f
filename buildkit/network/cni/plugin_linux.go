// Package cni is the CNI plugin of package network. BuildKit runs it for each new network namespace, twice: under the
// name "loopback", which brings lo up, and under its own, which makes eth0 and hands it to the relay.
package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// CommandVariable is the environment variable that names the command, and so tells that this process is a CNI plugin.
const CommandVariable = "CNI_COMMAND"

// loopback is the type of the network for which go-cni runs the plugin of that name.
const loopback = "loopback"

// Run executes the command of the environment, as the CNI specification has it, and returns the exit code:
// https://www.cni.dev/docs/spec/
func Run(stdin io.Reader, stdout io.Writer) int {
	answer, err := run(os.Getenv(CommandVariable), stdin)
	if err == nil && answer == nil {
		return 0
	}
	code := 0
	if err != nil {
		answer, code = failure{Version: "0.3.1", Code: otherFailure, Message: err.Error()}, 1
	}
	if json.NewEncoder(stdout).Encode(answer) != nil {
		return 1
	}
	return code
}

// otherFailure is a code of our own: CNI reserves those below 100.
const otherFailure = 100

type failure struct {
	Version string `json:"cniVersion"`
	Code    int    `json:"code"`
	Message string `json:"msg"`
}

type versions struct {
	Version   string   `json:"cniVersion"`
	Supported []string `json:"supportedVersions"`
}

func run(command string, stdin io.Reader) (answer any, err error) {
	if command == "VERSION" {
		return versions{Version: "1.0.0", Supported: []string{"0.3.1", "0.4.0", "1.0.0"}}, nil
	}
	var config network.Config
	if err := json.NewDecoder(stdin).Decode(&config); err != nil {
		return nil, fmt.Errorf("the configuration on the standard input: %w", err)
	}
	switch {
	case command == "ADD" && config.Type == loopback:
		return add(config, []string{"127.0.0.1/8"}, func() error { return bringUp("lo") })
	case command == "ADD" && config.Device == "":
		return result{Version: config.CNIVersion, Interfaces: []netInterface{}}, nil
	case command == "ADD":
		return add(config, stepAddresses(config.Subnets), func() error { return addDevice(config) })
	case command == "DEL" && config.Type != loopback && config.Device != "":
		// Without a relay there is no device either: it lives as long as the relay has it open.
		_ = network.Detach(config.Socket, os.Getenv("CNI_CONTAINERID"))
	}
	return nil, nil
}

// result is what ADD answers. BuildKit uses nothing of it, and go-cni checks it.
type result struct {
	Version    string         `json:"cniVersion"`
	Interfaces []netInterface `json:"interfaces"`
	IPs        []ip           `json:"ips,omitempty"`
}

type netInterface struct {
	Name    string `json:"name"`
	Sandbox string `json:"sandbox"`
}

type ip struct {
	Interface int    `json:"interface"`
	Address   string `json:"address"`
}

// add makes an interface in the namespace of the environment.
func add(config network.Config, addresses []string, create func() error) (any, error) {
	namespace := os.Getenv("CNI_NETNS")
	if err := enter(namespace); err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", namespace, err)
	}
	if err := create(); err != nil {
		return nil, err
	}
	answer := result{
		Version:    config.CNIVersion,
		Interfaces: []netInterface{{Name: os.Getenv("CNI_IFNAME"), Sandbox: namespace}},
	}
	for _, address := range addresses {
		answer.IPs = append(answer.IPs, ip{Address: address})
	}
	return answer, nil
}

// enter moves this thread, and so the process, into a network namespace.
func enter(namespace string) error {
	runtime.LockOSThread()
	file, err := os.Open(namespace)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer func() { _ = file.Close() }()
	return unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
}
