package buildx_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
)

// The files have the form that buildx v0.36 writes.
var store = map[string]string{
	"instances/remote": `{"Name":"remote","Driver":"remote","Nodes":[{"Name":"remote0","Endpoint":"tcp://build:1234",` +
		`"Platforms":null,"DriverOpts":{"cacert":"/ca.pem","cert":"/cert.pem","key":"/key.pem","servername":"build"},` +
		`"Flags":null,"Files":null}],"Dynamic":false}`,
	"instances/two": `{"Name":"two","Driver":"docker-container","Nodes":[` +
		`{"Name":"two0","Endpoint":"unix:///var/run/docker.sock","Platforms":[{"architecture":"amd64","os":"linux"}],` +
		`"DriverOpts":null,"Flags":["--allow-insecure-entitlement=network.host"],"Files":null},` +
		`{"Name":"two1","Endpoint":"arm","Platforms":[{"architecture":"arm64","os":"linux"},` +
		`{"architecture":"amd64","os":"linux"}],"DriverOpts":{},"Flags":null,"Files":null}],"Dynamic":false}`,
	"instances/empty":  `{"Name":"empty","Driver":"remote","Nodes":[]}`,
	"instances/broken": `{`,
	"current":          `{"Key":"unix:///var/run/docker.sock","Name":"remote","Global":false}`,
	// The first 20 digits of the SHA-256 of "colima".
	"defaults/f24fd3749c1368328e2b": `two`,
}

func write(t *testing.T, files map[string]string) buildx.Store {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700),
			os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return buildx.In(dir)
}

func TestBuilder(t *testing.T) {
	t.Parallel()
	s := write(t, store)
	b, err := s.Builder(t.Context(), "Remote")
	if err != nil || b.Driver != buildx.Remote || b.Nodes[0].Endpoint != "tcp://build:1234" {
		t.Fatalf("got %+v, %v", b, err)
	}
	if files, ok := b.Nodes[0].TLS(); !ok ||
		files != (buildx.TLSFiles{CA: "/ca.pem", Cert: "/cert.pem", Key: "/key.pem", ServerName: "build"}) {
		t.Errorf("got %+v", files)
	}
	for name, want := range map[string]string{
		"other": `no buildx builder "other" in ` + s.Dir() + ": it has broken, empty, remote, two",
		"../x":  `no buildx builder "../x" in ` + s.Dir() + ": it has broken, empty, remote, two",
	} {
		_, err := s.Builder(t.Context(), name)
		if _, ok := errors.AsType[*buildx.NotFoundError](err); !ok || err.Error() != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, name := range []string{"empty", "broken"} {
		_, err := s.Builder(t.Context(), name)
		if _, ok := errors.AsType[*buildx.NotFoundError](err); ok || err == nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The current builder is that of "docker buildx use": for one Docker endpoint, for all, or as a default.
func TestCurrent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		current, endpoint, want string
	}{
		"for this endpoint":  {store["current"], "unix:///var/run/docker.sock", "remote"},
		"for another":        {store["current"], "desktop-linux", ""},
		"the default":        {store["current"], "colima", "two"},
		"for every endpoint": {`{"Key":"x","Name":"two","Global":true}`, "desktop-linux", "two"},
		"removed":            {`{"Key":"colima","Name":"gone","Global":false}`, "colima", ""},
		"nobody chose":       {"", "unix:///var/run/docker.sock", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for name, content := range store {
				files[name] = content
			}
			if files["current"] = c.current; c.current == "" {
				delete(files, "current")
			}
			if got, err := write(t, files).Current(t.Context(), c.endpoint); got != c.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
