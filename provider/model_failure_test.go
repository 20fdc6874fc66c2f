package provider

// failure hits one command once, at one of its requests to the registry.
type failure struct {
	kind failureKind
	tags bool // only writes to tags count
	at   int  // the number of the write that it hits, from 1; of brieflyDown: how many requests

	seen int // writes or requests so far
	hit  bool
}

type failureKind int

const (
	noFailure    failureKind = iota
	refuseWrite              // the registry answers 403
	failWrite                // the registry answers 500 and does nothing
	loseWrite                // the registry reports success and does nothing
	loseAnswer               // the registry makes the write, and the connection breaks before the answer
	killBefore               // the provider's process ends before the write
	killAfter                // the provider's process ends after the write, before the answer
	cancelBefore             // Ctrl-C before the write
	cancelAfter              // Ctrl-C after the write, before the answer
	cutBefore                // the network ends before the write, until the command ends
	cutAfter                 // the network ends after the write, before the answer
	brieflyDown              // the registry answers the first requests of the provider with 503
	clientGone               // no client waits any more: the write is not made
)

// hitsRequest counts a request and tells whether the registry answers it with 503.
func (f *failure) hitsRequest() bool {
	if f == nil || f.kind != brieflyDown || f.seen >= f.at {
		return false
	}
	f.seen++
	f.hit = true
	return true
}

// next counts a write and returns the failure that hits it.
func (f *failure) next(tag bool) failureKind {
	if f == nil || f.kind == brieflyDown || f.tags && !tag {
		return noFailure
	}
	if f.seen++; f.seen != f.at {
		return noFailure
	}
	f.hit = true
	return f.kind
}
