package provider

import (
	"fmt"
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

// checkBuilders validates the text of the builders of the configuration.
func checkBuilders(c *checker, config Config) {
	if len(config.Builders) == 0 || !isKnown(c.raw, "builders") {
		return
	}
	if strings.TrimSpace(deref(config.Host)) != "" {
		c.fail("builders", "host names a builder, too: give host or builders, not both")
	}
	mayBeInsecure := config.allowsInsecureTCP() || !isKnown(c.raw, "allowInsecureTcp")
	for i, n := range config.Builders {
		path := fmt.Sprintf("builders[%d]", i)
		switch address, name := deref(n.Endpoint), deref(n.Name); {
		case address != "" && name != "":
			c.fail(path+".name", "endpoint names another builder: give one of them")
		case address == "" && name == "":
			c.fail(path, "it names no builder: give endpoint or name")
		case address != "":
			checkEndpoint(c, path+".endpoint", address, n.TLS != nil || mayBeInsecure)
		}
		checkTLS(c, path+".tls", deref(n.Endpoint), n.TLS)
		for j, platform := range n.Platforms {
			if _, err := normalizePlatform(string(platform)); err != nil {
				c.fail(fmt.Sprintf("%s.platforms[%d]", path, j), "%v", err)
			}
		}
	}
}
