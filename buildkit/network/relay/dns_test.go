//go:build linux

package relay

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func resolverFiles(t *testing.T, file, upstream string) resolvers {
	t.Helper()
	dir := t.TempDir()
	r := resolvers{file: filepath.Join(dir, "resolv.conf"), upstream: filepath.Join(dir, "upstream.conf")}
	for path, text := range map[string]string{r.file: file, r.upstream: upstream} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestWhoIsTheResolver(t *testing.T) {
	t.Parallel()
	subnets := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30"), netip.MustParsePrefix("fd5c:9a1e:77b3::/126")}
	for name, c := range map[string]struct {
		file, upstream string
		means, not     []string
	}{
		"others": {file: "search a.test\nnameserver 10.0.0.53\nnameserver 10.0.0.54\n",
			means: []string{"10.0.0.53", "10.0.0.54", "192.0.2.1", "fd5c:9a1e:77b3::1"},
			not:   []string{"8.8.8.8", "10.0.0.1"}},
		"link-local": {file: "nameserver 169.254.169.254\nnameserver fe80::1%eth0\n",
			means: []string{"169.254.169.254", "fe80::1"}, not: []string{"169.254.169.253", "8.8.8.8"}},
		"systemd": {file: "nameserver 127.0.0.53\n", upstream: "nameserver 169.254.169.253\n",
			means: []string{"169.254.169.253", "8.8.8.8", "2001:4860:4860::8844"},
			not:   []string{"127.0.0.53", "169.254.169.254"}},
		"loopback": {file: "nameserver ::1\nnameserver 127.0.0.1\n", means: []string{"8.8.8.8", "8.8.4.4"},
			not: []string{"::1", "127.0.0.1", "1.1.1.1"}},
		"loopback, other": {file: "nameserver 127.0.0.1\nnameserver 10.0.0.53\n", means: []string{"10.0.0.53"},
			not: []string{"127.0.0.1", "8.8.8.8"}},
		"none": {means: []string{"8.8.8.8", "192.0.2.1"}, not: []string{"1.1.1.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := resolverFiles(t, c.file, c.upstream)
			for _, text := range c.means {
				if !r.mean(netip.MustParseAddr(text), subnets) {
					t.Errorf("%s is not one", text)
				}
			}
			for _, text := range c.not {
				if r.mean(netip.MustParseAddr(text), subnets) {
					t.Errorf("%s is one", text)
				}
			}
		})
	}
}

func TestListOfResolvers(t *testing.T) {
	t.Parallel()
	r := resolverFiles(t,
		"# nameserver 1.1.1.1\nnameserver\nnameserver x\nnameserver 10.0.0.53 # one\n nameserver fe80::1%eth0\n", "")
	want := []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("fe80::1%eth0")}
	if got := r.list(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (resolvers{file: "/nowhere"}).list(); !slices.Equal(got, []netip.Addr{local}) {
		t.Errorf("a machine that names none: %v", got)
	}
}

func TestOnlyQuestionsPass(t *testing.T) {
	t.Parallel()
	header := func(flags byte) []byte { return []byte{1, 2, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0} }
	if !isQuestion(header(0x01)) {
		t.Error("a question does not pass")
	}
	for name, message := range map[string][]byte{
		"a response": header(0x80), "an update": header(5 << 3), "a notification": header(4 << 3),
		"bytes": []byte("GET / HTTP"), "": nil,
	} {
		if isQuestion(message) {
			t.Errorf("%q passes", name)
		}
	}
	s := &step{relay: newRelay(nil), ctx: context.Background()}
	if _, err := exchange(s, "udp", header(0x80)); err == nil {
		t.Error("a response is sent to the resolvers")
	}
}

// A device that stays silent holds nothing up, and a step that asks too much is not served.
func TestQuestionsAreBounded(t *testing.T) {
	t.Parallel()
	s := &step{relay: newRelay(nil), ctx: context.Background()}
	for range questionsOfAll {
		s.relay.questions <- struct{}{}
	}
	begun := time.Now()
	if _, err := exchange(s, "udp", make([]byte, headerSize)); err == nil || time.Since(begun) >= answerLimit {
		t.Errorf("one more: %v after %s", err, time.Since(begun))
	}
}

func TestMessagesOfAStream(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	go func() {
		_, _ = client.Write(append(withLength([]byte("one")), withLength([]byte("two"))...))
		_, _ = client.Write([]byte{0, 9, 'x'})
		_ = client.Close()
	}()
	for _, want := range []string{"one", "two"} {
		if got, err := readMessage(server); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if got, err := readMessage(server); err == nil {
		t.Errorf("a message that ends early is %q", got)
	}
}
