package faults

import (
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// The faults of a Daemon. Each happens once, before the message or in the middle of it.
const (
	CloseConnection  = "close connection"  // both ends see the end of the connection
	ResetConnection  = "reset connection"  // the plugin sees a reset; only on TCP
	HalfMessage      = "half message"      // half of the message arrives, then the connection ends
	FreezeConnection = "freeze connection" // nothing passes anymore, and no end sees why; Reset ends it
	FreezeAll        = "freeze all"        // the same for every connection, also for later ones
)

// Daemon is a proxy in front of a BuildKit daemon. It forwards each connection, and counts the gRPC messages in both
// directions. A session is a stream of such messages, each of which carries a part of another connection.
type Daemon struct {
	trigger

	upstream string
	actions  map[string]func()
	listener net.Listener
	running  sync.WaitGroup

	links struct {
		sync.Mutex
		open   []*link
		frozen bool // new connections are frozen too
		ended  bool // there are no new connections
	}
}

// NewDaemon listens on listener and forwards to the daemon that listens on the Unix socket upstream. Close ends it.
//
// Actions are further faults by name, such as functions that kill a process. The message waits until the function
// returns.
func NewDaemon(listener net.Listener, upstream string, actions map[string]func()) *Daemon {
	d := &Daemon{listener: listener, upstream: upstream, actions: actions}
	d.running.Go(d.accept)
	return d
}

// Faults returns the names of the faults that this proxy has, the actions included.
func (d *Daemon) Faults() []string {
	names := []string{CloseConnection, HalfMessage, FreezeConnection, FreezeAll}
	if d.listener.Addr().Network() == "tcp" {
		names = append(names, ResetConnection)
	}
	return slices.AppendSeq(names, maps.Keys(d.actions))
}

// Arm forgets the last run as Reset does, and makes message i fail, counted from 1. fault is one of Faults.
func (d *Daemon) Arm(i int, fault string) {
	d.Reset()
	d.arm(i, fault)
}

// Reset forgets the last run. It ends the connections that are frozen, and lets all other messages pass.
func (d *Daemon) Reset() {
	d.arm(0, "")
	d.links.Lock()
	defer d.links.Unlock()
	d.links.frozen = false
	for _, l := range d.links.open {
		if l.isFrozen() {
			l.close()
		}
	}
}

// Close ends the proxy and all connections, and waits until nothing of them is left.
func (d *Daemon) Close() error {
	err := d.listener.Close()
	d.links.Lock()
	d.links.ended = true
	for _, l := range d.links.open {
		l.close()
	}
	d.links.Unlock()
	d.running.Wait()
	return err
}

// accept forwards each connection until the listener is closed.
func (d *Daemon) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.running.Go(func() { d.forward(client) })
	}
}

// forward connects client to the daemon and returns when the connection has ended.
func (d *Daemon) forward(client net.Conn) {
	server, err := net.DialTimeout("unix", d.upstream, 10*time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	l := newLink(client, server)
	if !d.add(l) {
		l.close()
		return
	}
	defer d.remove(l)
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(client, server, &counter{daemon: d, link: l, arrow: "to the daemon"}) })
	pumps.Go(func() { l.pump(server, client, &counter{daemon: d, link: l, arrow: "from the daemon"}) })
	pumps.Wait()
}

// add notes an open connection. It returns false if the proxy has ended.
func (d *Daemon) add(l *link) bool {
	d.links.Lock()
	defer d.links.Unlock()
	if d.links.ended {
		return false
	}
	d.links.open = append(d.links.open, l)
	if d.links.frozen {
		l.freeze()
	}
	return true
}

func (d *Daemon) remove(l *link) {
	l.close()
	d.links.Lock()
	defer d.links.Unlock()
	d.links.open = slices.DeleteFunc(d.links.open, func(other *link) bool { return other == l })
}

// freezeAll freezes all connections, and later ones, until Reset.
func (d *Daemon) freezeAll() {
	d.links.Lock()
	defer d.links.Unlock()
	d.links.frozen = true
	for _, l := range d.links.open {
		l.freeze()
	}
}
