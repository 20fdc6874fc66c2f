package inside

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/userns"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Connect reads the settings of the client from in, and starts the daemon if none answers. It writes a Greeting to out.
// Then it copies between the daemon's socket and in and out until one side closes. The daemon runs at least that long.
func Connect(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	s, in, err := readSettings(in)
	if err != nil {
		return fmt.Errorf("the settings of the client: %w", err)
	}
	for name, value := range s.Environ {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	temp, err := os.MkdirTemp("", "connect-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	registries, err := writeAuthorities(temp, s.Registries)
	if err != nil {
		return err
	}
	var hello Greeting
	lease, err := daemon.Acquire(ctx, daemon.Options{
		Dir: filepath.Join(StateFolder, s.Key), Registries: registries,
		Note: func(line string) { hello.Notes = append(hello.Notes, line) },
	})
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release() }()
	conn, err := lease.Dial(ctx)
	if err != nil {
		return err
	}
	hello.Offline, hello.Rootless = lease.OfflineReason(), userns.RunningInUserNS()
	if err := json.NewEncoder(out).Encode(hello); err != nil {
		return errors.Join(err, conn.Close())
	}
	return join(conn, in, out)
}

// readSettings reads the first line of in, and returns what comes after it.
func readSettings(in io.Reader) (s Settings, rest io.Reader, err error) {
	buffered := bufio.NewReader(in)
	line, err := buffered.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s)
	}
	if err == nil && (s.Key == "" || strings.ContainsAny(s.Key, "/.")) {
		err = errors.New("they have no key")
	}
	return s, buffered, err
}

// writeAuthorities writes the certificate authorities of registries into files in dir, because package daemon takes
// files.
func writeAuthorities(dir string, registries map[string]Registry) (map[string]daemon.Registry, error) {
	found := map[string]daemon.Registry{}
	for host, r := range registries {
		link := daemon.Registry{PlainHTTP: r.PlainHTTP, Mirrors: r.Mirrors}
		if r.CA != "" {
			link.CAFile = filepath.Join(dir, strconv.Itoa(len(found))+".pem")
			if err := os.WriteFile(link.CAFile, []byte(r.CA), 0o600); err != nil {
				return nil, err
			}
		}
		found[host] = link
	}
	return found, nil
}

// join copies both ways until in or conn is at its end.
func join(conn net.Conn, in io.Reader, out io.Writer) error {
	ended := make(chan error, 2)
	end := func(err error) { ended <- err }
	rescue.Go(end, func() {
		_, err := io.Copy(conn, in)
		end(err)
	})
	rescue.Go(end, func() {
		_, err := io.Copy(out, conn)
		end(err)
	})
	err := <-ended
	_ = conn.Close()
	return err
}
