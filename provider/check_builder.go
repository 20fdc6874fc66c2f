package provider

import (
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// checkBuilder validates the text of the builder's inputs. It reads no file and opens no connection.
func checkBuilder(c *checker) {
	b := c.args.Builder
	if b == nil || !isKnown(c.raw, "builder") {
		return
	}
	if deref(b.Endpoint) != "" && deref(b.Name) != "" {
		c.fail("builder.name", "builder.endpoint names another builder: give one of them")
	}
	if deref(b.Endpoint) != "" {
		checkEndpoint(c, "builder.endpoint", *b.Endpoint, b.TLS != nil || c.config.allowsInsecureTCP())
	}
	checkTLS(c, "builder.tls", deref(b.Endpoint), b.TLS)
}

// checkEndpoint validates an address. If encrypted is false, a tcp:// address must lead to this machine.
func checkEndpoint(c *checker, path, address string, encrypted bool) {
	e, err := endpoint.Parse(address)
	err = explainEndpoint(err)
	if err == nil && !encrypted {
		err = explainRefusal(e.CheckLocal(), Config{})
	}
	if err != nil {
		c.fail(path, "%v", err)
	}
}

// checkTLS validates the certificates for an address. It does not read their files.
func checkTLS(c *checker, path, address string, t *TLS) {
	if t == nil {
		return
	}
	if !strings.HasPrefix(address, "tcp://") {
		c.fail(path, "certificates need a tcp:// endpoint: name one, or leave tls out")
		return
	}
	if (deref(t.Cert) == "") != (deref(t.Key) == "") {
		c.fail(path, "a client certificate has two parts: give cert and key, or neither")
	}
}
