package registry

import "strings"

// handout is what Lookup answered last for a host, or Token, if it failed.
type handout struct {
	finding
	err error
}

func (k *Keychain) handOut(host string, given handout) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handed[host] = given
}

// last is what Lookup answered last for host, if it was asked.
func (k *Keychain) last(host string) (handout, bool) {
	if k == nil {
		return handout{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	given, is := k.handed[host]
	return given, is
}

// told is the error of Lookup or Token that is in a text, and about which host.
func (k *Keychain) told(text string) (host string, err error) {
	if k == nil {
		return "", nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for host, given := range k.handed {
		if given.err != nil && strings.Contains(text, firstLine(given.err)) {
			return host, given.err
		}
	}
	return "", nil
}

// Invalidate says that host refused what Lookup gave last for it. A token that was kept is not given out again.
func (k *Keychain) Invalidate(host string) {
	host = canonicalHost(host)
	given, _ := k.last(host)
	k.invalidate(host, given.Credential)
}

func (k *Keychain) invalidate(host string, refused Credential) {
	if known, is := k.ECR.host(host); is {
		sharedAccess.forget(k.ECR.principal(known), refused)
	}
}
