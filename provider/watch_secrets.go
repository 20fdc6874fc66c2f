package provider

import (
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// checkWatchSecrets reports ids that are in no state and cannot be compared. A typing error would be a change that
// nobody sees.
func checkWatchSecrets(c *checker) {
	for i, id := range c.args.WatchSecrets {
		path := fmt.Sprintf("watchSecrets[%d]", i)
		if c.unknownAt(key("watchSecrets"), index(i)) {
			continue
		}
		_, isSource := c.args.SecretSources[id]
		_, isSecret := c.args.Secrets[id]
		switch {
		case isSource:
			c.failWithoutValue(path, "no state has the value of a secret of secretSources, so a change of it cannot "+
				"be seen: give it in secrets, or do not watch it")
		case !isSecret && !c.raw.Get("secrets").IsComputed():
			c.failWithoutValue(path, "secrets has no such id: write one of its ids")
		}
	}
}

// changedSecrets returns how the watched secrets differ between old and new inputs, by the paths of the secrets.
// Without old inputs there is nothing to compare.
func changedSecrets(old, wanted property.Map) map[string]p.DiffKind {
	changes := map[string]p.DiffKind{}
	if old.Len() == 0 {
		return changes
	}
	for _, id := range texts(wanted, "watchSecrets") {
		before, after := secretOf(old, id), secretOf(wanted, id)
		switch {
		case before.Equals(after):
		case before.IsNull():
			changes[under("secrets", id)] = p.Add
		case after.IsNull():
			changes[under("secrets", id)] = p.Delete
		default:
			changes[under("secrets", id)] = p.Update
		}
	}
	return changes
}

// secretOf returns the value of a secret, or null. It is unknown if all secrets are.
func secretOf(inputs property.Map, id string) property.Value {
	secrets := plainValue(inputs.Get("secrets"))
	if secrets.IsMap() {
		return plainValue(secrets.AsMap().Get(id))
	}
	return secrets
}
