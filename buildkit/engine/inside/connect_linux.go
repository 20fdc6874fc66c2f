package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Connect starts the daemon if none answers and joins its socket to in and out until one side ends. The daemon lives at
// least that long.
func Connect(ctx context.Context, settings string, in io.Reader, out io.Writer) (err error) {
	var s Settings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		return fmt.Errorf("the settings of the client: %w", err)
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
	lease, err := daemon.Acquire(ctx, daemon.Options{
		Dir: filepath.Join(StateFolder, "buildkitd"), Registries: registries,
	})
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release() }()
	conn, err := lease.Dial(ctx)
	if err != nil {
		return err
	}
	return join(conn, in, out)
}

// writeAuthorities writes the certificates of registries into a folder, as package daemon takes them.
func writeAuthorities(dir string, registries map[string]Registry) (map[string]daemon.Registry, error) {
	found := map[string]daemon.Registry{}
	for host, r := range registries {
		link := daemon.Registry{PlainHTTP: r.PlainHTTP}
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

// join copies both ways until in or conn ends.
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
