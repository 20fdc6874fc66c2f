//go:build linux

package attacks

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile, and wants the daemon to fetch what only this machine can reach. The daemon is in
// the network of the machine, whatever network steps have.

// serve serves on loopback until the end of the test. It asks for the login, unless that is "".
func serve(t *testing.T, handler http.Handler, login string, asked func(*http.Request)) (url string) {
	t.Helper()
	user, password, _ := strings.Cut(login, ":")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if asked != nil {
			asked(req)
		}
		if u, p, ok := req.BasicAuth(); login != "" && (!ok || u != user || p != password) {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheDaemonFetchesNothingOfThisMachine(t *testing.T) {
	t.Parallel()
	const ofDaemon = "provenance: { mode: max }\n" // the daemon runs the frontend
	const notNamed, metadata = "named: { download: { location: ", "where clouds serve credentials"
	cases := map[string]struct{ dockerfile, properties, want string }{
		"a file":              {"FROM scratch\nADD http://HOST/x /\n", ofDaemon, notNamed},
		"localhost by name":   {"FROM scratch\nADD http://localhost:PORT/x /\n", "", notNamed},
		"URL in an argument":  {"FROM scratch\nARG A=http://HOST/x\nADD $A /\n", "", notNamed},
		"IPv4 mapped to IPv6": {"FROM scratch\nADD http://[::ffff:127.0.0.1]:PORT/x /\n", "", notNamed},
		"git":                 {"FROM scratch\nADD http://HOST/x.git#main /\n", "", notNamed},
		"address as a number": {"FROM scratch\nADD http://2130706433:PORT/x.git#main /\n", ofDaemon, notNamed},
		"metadata as image":   {"FROM 169.254.169.254/x\n", "", metadata},
		"metadata as pulled image": {
			"FROM 169.254.169.254/x\n", "pull: true\n" + ofDaemon, metadata,
		},
		"metadata as copied image": {
			"FROM scratch\nCOPY --from=169.254.169.254/x / /\n", ofDaemon, metadata,
		},
		"metadata as mounted image": {
			"FROM BUSYBOX\nRUN --mount=from=169.254.169.254/x,target=/x true\n", ofDaemon, metadata,
		},
		"metadata":        {"FROM scratch\nADD http://169.254.169.254/latest/meta-data/ /\n", "", metadata},
		"metadata by git": {"FROM scratch\nADD http://2852039166/x.git /\n", "", metadata},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			properties := "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n" + c.properties
			var asked atomic.Int32
			url := serve(t, http.NotFoundHandler(), "", func(*http.Request) { asked.Add(1) })
			host := strings.TrimPrefix(url, "http://")
			_, port, _ := strings.Cut(host, ":")
			dockerfile := strings.NewReplacer("HOST", host, "PORT", port).Replace(c.dockerfile)
			s := shared.Open(t, shared.Project(t, properties, map[string]string{"Dockerfile": dockerfile}))
			stack.Fails(t, s.Preview(), "it was not fetched", c.want)
			if n := asked.Load(); n != 0 {
				t.Errorf("the server was asked %d times", n)
			}
		})
	}
}

// What the program names is fetched, by the Dockerfile too.
func TestTheDaemonFetchesWhatTheProgramNames(t *testing.T) {
	t.Parallel()
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }), "",
		nil)
	properties := "context: { location: ., named: { download: { location: \"" + url +
		"/x\" } } }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n"
	s := shared.Open(t, shared.Project(t, properties,
		map[string]string{"Dockerfile": "FROM BUSYBOX\nADD " + url + "/x /x\nRUN test x = \"$(cat /x)\"\n"}))
	stack.Succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	stack.Succeeds(t, s.Destroy("--skip-preview"))
}

// tcp:// to another machine is refused before anything is sent, in each place that can name a builder.
func TestWithoutTLSNoOtherMachineIsDialed(t *testing.T) {
	t.Parallel()
	const properties = "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n"
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}
	remedies := []string{"192.0.2.1 is another machine", "ssh -N -L", "allowInsecureTcp",
		"PULUMI_BUILDKIT_ALLOW_INSECURE_TCP=1"}
	s := shared.Open(t, shared.Project(t, properties+"builder: { endpoint: \"tcp://192.0.2.1:1234\" }\n", files))
	stack.Fails(t, s.Preview(), append(remedies, "builder.endpoint")...)
	s = shared.Open(t, shared.Project(t, properties, files))
	result, err := s.Run(t.Context(), "config", "set", "buildkit:host", "tcp://192.0.2.1:1234", "--stack", "dev")
	if err != nil || result.Code != 0 {
		t.Fatal(err, result.All())
	}
	stack.Fails(t, s.Preview(), append(remedies, "host")...)
	s = stack.New(t, stack.Config{Bin: shared.Bin, Program: shared.Project(t, properties, files),
		Env: []string{"BUILDKIT_HOST=tcp://192.0.2.1:1234"}})
	stack.Fails(t, s.Preview(), remedies...)
}
