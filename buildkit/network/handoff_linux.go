package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A plugin connects to the relay for one request: "attach ID", with the descriptor of a device, or "detach ID". The
// answer is "ok" or the text of an error. The socket keeps the boundaries of messages (SOCK_SEQPACKET).

const (
	attachVerb, detachVerb = "attach", "detach"

	answerOK     = "ok"
	messageLimit = 512
	handoffLimit = 10 * time.Second
)

// Listen opens the relay's socket at path.
func Listen(path string) (*net.UnixListener, error) {
	return net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
}

// Attach hands the device of the namespace id to the relay. The caller keeps its own descriptor, and closes it.
func Attach(socket, id string, device *os.File) error {
	return request(socket, attachVerb+" "+id, unix.UnixRights(int(device.Fd())))
}

// Detach makes the relay close the device of the namespace id. A device that the relay does not have is no error.
func Detach(socket, id string) error { return request(socket, detachVerb+" "+id, nil) }

func request(socket, message string, rights []byte) error {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return fmt.Errorf("the network relay of steps: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(handoffLimit)); err != nil {
		return err
	}
	if _, _, err := conn.WriteMsgUnix([]byte(message), rights, nil); err != nil {
		return fmt.Errorf("the network relay of steps: %w", err)
	}
	answer := make([]byte, messageLimit)
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("the network relay of steps: %w", err)
	}
	if text := string(answer[:n]); text != answerOK {
		return fmt.Errorf("the network relay of steps: %s", text)
	}
	return nil
}

// Devices is what a relay does with the devices that it is handed.
type Devices interface {
	// Attach takes device over, in each case: it closes it when it fails.
	Attach(id string, device *os.File) error
	Detach(id string)
}

// Handle answers the one request of conn.
func Handle(conn *net.UnixConn, devices Devices) error {
	if err := conn.SetDeadline(time.Now().Add(handoffLimit)); err != nil {
		return err
	}
	err := handle(conn, devices)
	answer := answerOK
	if err != nil {
		answer = err.Error()
	}
	_, failed := conn.Write([]byte(answer[:min(len(answer), messageLimit)]))
	return errors.Join(err, failed)
}

func handle(conn *net.UnixConn, devices Devices) error {
	message, control := make([]byte, messageLimit), make([]byte, unix.CmsgSpace(4))
	n, controlSize, _, _, err := conn.ReadMsgUnix(message, control)
	if err != nil {
		return err
	}
	device, err := receivedFile(control[:controlSize])
	if err != nil {
		return err
	}
	switch verb, id, _ := strings.Cut(string(message[:n]), " "); {
	case verb == attachVerb && device != nil:
		return devices.Attach(id, device)
	case verb == detachVerb && device == nil:
		devices.Detach(id)
		return nil
	}
	if device != nil {
		_ = device.Close()
	}
	return fmt.Errorf("%q is no request", message[:n])
}

// receivedFile returns the file that came with a message, or nil.
func receivedFile(control []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	if len(descriptors) != 1 {
		return nil, fmt.Errorf("%d descriptors, want 1", len(descriptors))
	}
	// Go's poller waits for a descriptor that does not block, where another would take a thread.
	if err := unix.SetNonblock(descriptors[0], true); err != nil {
		return nil, errors.Join(err, unix.Close(descriptors[0]))
	}
	return os.NewFile(uintptr(descriptors[0]), "device"), nil
}
