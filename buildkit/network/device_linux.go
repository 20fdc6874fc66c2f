package network

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// DefaultDevice is where a machine has its TUN device.
const DefaultDevice = "/dev/net/tun"

// OpenDevice creates a TUN device in the network namespace of this thread: it lives until the last descriptor is
// closed. Packets of it begin with the header of IP. A TUN device has no Ethernet, so that a step can forge no ARP.
func OpenDevice(path, name string) (*os.File, error) {
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(descriptor, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: create %s: %w", path, name, err), unix.Close(descriptor))
	}
	return os.NewFile(uintptr(descriptor), path), nil
}

// TryDevice returns why steps cannot have the TUN device at path, or nil. It creates one in a namespace that ends at
// once.
func TryDevice(path string) error {
	result := make(chan error, 1)
	rescue.Go(func(err error) { result <- err }, func() {
		runtime.LockOSThread() // for good: the thread of this namespace ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("a network namespace: %w", err)
			return
		}
		device, err := OpenDevice(path, "eth0")
		if err == nil {
			err = device.Close()
		}
		result <- err
	})
	return <-result
}
