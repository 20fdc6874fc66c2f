// Command probe tries, from inside a build step, to reach what its arguments name. It prints a line for each: the
// attempt, and what came of it. It exits with 0 whatever that is: the test reads the lines. Attempts are made one after
// another, or all at once after the argument "together".
//
//	tcp ADDRESS       connects and reads what the other side says
//	udp ADDRESS       sends "probe" and reads an answer
//	unix ADDRESS      connects to a Unix socket; @name is an abstract one
//	scan ADDRESS      connects to every port of an address and prints those that accept
//	get URL           downloads, and prints how much
//	dns NAME          resolves
//	raw ADDRESS       sends SYN and UDP packets in raw frames, and prints who answered
//	flood ADDRESS N   opens N connections, reads nothing, and prints how many there are after 2 s
//	listen ADDRESS    listens and answers until the end of the step
//	interfaces        prints the network interfaces and their addresses
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const limit = 3 * time.Second

func main() {
	args := os.Args[1:]
	together := len(args) > 0 && args[0] == "together"
	if together {
		args = args[1:]
	}
	results := make([]string, len(args))
	var all sync.WaitGroup
	for i, arg := range args {
		try := func() {
			kind, target, _ := strings.Cut(arg, " ")
			result, err := attempt(kind, target)
			if err != nil {
				result = "FAILED " + err.Error()
			}
			results[i] = result
		}
		if together {
			all.Go(try)
		} else {
			try()
		}
	}
	all.Wait()
	for i, arg := range args {
		fmt.Printf("%s: %s\n", arg, results[i])
	}
}

func attempt(kind, target string) (string, error) {
	switch kind {
	case "tcp", "udp", "unix":
		return dial(kind, target)
	case "scan":
		return scan(target)
	case "get":
		return get(target)
	case "dns":
		addresses, err := net.DefaultResolver.LookupHost(context.Background(), target)
		return strings.Join(addresses, " "), err
	case "raw":
		return raw(target)
	case "flood":
		return flood(target)
	case "listen":
		return listen(target)
	case "interfaces":
		return interfaces()
	}
	return "", fmt.Errorf("unknown")
}

// dial says REACHED with what the other side said, if anything.
func dial(kind, target string) (string, error) {
	conn, err := net.DialTimeout(kind, target, limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	if kind == "udp" {
		if _, err := conn.Write([]byte("probe")); err != nil {
			return "", err
		}
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	if kind == "udp" && err != nil {
		return "", err
	}
	return "REACHED " + string(answer[:n]), nil
}

func scan(target string) (string, error) {
	addr, err := netip.ParseAddr(target)
	if err != nil {
		return "", err
	}
	var open []string
	for port := 1; port < 65536; port++ {
		socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			return "", err
		}
		target := &syscall.SockaddrInet4{Port: port, Addr: addr.As4()}
		if syscall.Connect(socket, target) == nil && !isItself(socket, target) {
			open = append(open, fmt.Sprint(port))
		}
		syscall.Close(socket)
	}
	return fmt.Sprintf("%d OPEN %s", len(open), strings.Join(open, " ")), nil
}

// isItself tells whether a socket is connected to itself: the kernel may choose the very port that is tried as the
// source, and TCP then connects the two ends of one socket although nobody listens.
func isItself(socket int, target *syscall.SockaddrInet4) bool {
	own, err := syscall.Getsockname(socket)
	if err != nil {
		return false
	}
	from, ok := own.(*syscall.SockaddrInet4)
	return ok && from.Port == target.Port && from.Addr == target.Addr
}

func get(url string) (string, error) {
	begun := time.Now()
	response, err := (&http.Client{Timeout: 5 * time.Minute}).Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	return fmt.Sprintf("REACHED %s %d bytes in %d ms", response.Status, n, time.Since(begun).Milliseconds()), err
}

func flood(target string) (string, error) {
	address, number, _ := strings.Cut(target, " ")
	wanted, err := strconv.Atoi(number)
	if err != nil {
		return "", err
	}
	var open []net.Conn
	for range wanted {
		if conn, err := net.DialTimeout("tcp", address, limit); err == nil {
			open = append(open, conn)
		}
	}
	time.Sleep(2 * time.Second)
	for _, conn := range open {
		conn.Close()
	}
	return fmt.Sprint(len(open), " open"), nil
}

func listen(target string) (string, error) {
	listener, err := net.Listen("tcp", target)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "a step")
			conn.Close()
		}
	}()
	return "listens", nil
}

func interfaces() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	var found []string
	for _, i := range all {
		addresses, _ := i.Addrs()
		found = append(found, fmt.Sprint(i.Name, i.MTU, addresses))
	}
	return strings.Join(found, " "), nil
}
