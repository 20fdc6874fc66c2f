package faults

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A counter finds the gRPC messages in one direction of a link.
type counter struct {
	daemon *Daemon
	link   *link
	arrow  string // the direction, in words

	headers []byte // of frames that go on in the next one
	decoder *hpack.Decoder
	streams map[uint32]*message

	cut     uint32 // the stream of the message of which half passes; 0 is none
	cutLeft int    // bytes of it that still pass
}

// A message is what a stream has of its current message.
type message struct {
	prefix []byte // five bytes: whether it is compressed, and its size
	left   int    // bytes that have not come yet
}

// grpcPrefixSize is the size of what stands before each message.
const grpcPrefixSize = 5

// judge counts the messages that begin in the frame, and lets the fault happen if it is the turn of one. It returns how
// many bytes of the frame pass, and whether the connection goes on.
func (c *counter) judge(f frame) (pass int, more bool) {
	from, to, err := f.bounds()
	if err != nil {
		return len(f.raw), false
	}
	switch f.kind {
	case http2.FrameHeaders, http2.FrameContinuation:
		c.headers = append(c.headers, f.raw[from:to]...)
		if f.flags.Has(http2.FlagHeadersEndHeaders) {
			c.noteMethod(f.stream)
		}
	case http2.FrameData:
		return c.judgeData(f, from, to)
	case http2.FrameRSTStream:
		delete(c.streams, f.stream)
	}
	return len(f.raw), true
}

// noteMethod decodes the headers of a stream. It must see all headers of a connection, because later ones refer to
// earlier ones.
func (c *counter) noteMethod(stream uint32) {
	if c.decoder == nil {
		c.decoder = hpack.NewDecoder(4096, nil)
		c.decoder.SetAllowedMaxDynamicTableSize(1 << 20)
	}
	fields, _ := c.decoder.DecodeFull(c.headers)
	c.headers = nil
	if i := slices.IndexFunc(fields, func(f hpack.HeaderField) bool { return f.Name == ":path" }); i >= 0 {
		c.link.setMethod(stream, fields[i].Value)
	}
}

// judgeData goes through the content of a data frame, raw[from:to], message by message.
func (c *counter) judgeData(f frame, from, to int) (pass int, more bool) {
	if c.streams == nil {
		c.streams = map[uint32]*message{}
	}
	m := c.streams[f.stream]
	if m == nil {
		m = &message{}
		c.streams[f.stream] = m
	}
	for at := from; at < to; {
		read := m.read(f.raw[at:to])
		if m.begins() {
			if !c.judgeMessage(f.stream, m) {
				return beforeMessage(at, from), false
			}
		}
		if c.cut == f.stream && c.cut != 0 {
			if c.cutLeft <= read {
				return at + c.cutLeft, false
			}
			c.cutLeft -= read
		}
		at += read
	}
	if f.flags.Has(http2.FlagDataEndStream) {
		delete(c.streams, f.stream)
	}
	return len(f.raw), true
}

// read takes bytes of content, up to the end of a prefix or of a message, and returns how many.
func (m *message) read(content []byte) int {
	if m.left > 0 {
		n := min(m.left, len(content))
		m.left -= n
		return n
	}
	if len(m.prefix) == grpcPrefixSize {
		m.prefix = nil
	}
	n := min(grpcPrefixSize-len(m.prefix), len(content))
	m.prefix = append(m.prefix, content[:n]...)
	if len(m.prefix) == grpcPrefixSize {
		m.left = m.size()
	}
	return n
}

func (m *message) size() int { return int(binary.BigEndian.Uint32(m.prefix[1:])) }

// begins tells whether the prefix was just completed.
func (m *message) begins() bool { return len(m.prefix) == grpcPrefixSize && m.left == m.size() }

// beforeMessage returns how many bytes of a frame pass before the message at. It is none of them if the message is the
// first one.
func beforeMessage(at, from int) int {
	if at == from {
		return 0
	}
	return at
}

// judgeMessage counts a message and lets the fault happen if it is its turn. It returns false if the connection ends
// before the message.
func (c *counter) judgeMessage(stream uint32, m *message) bool {
	event := fmt.Sprintf("%s %s, %d bytes", c.link.method(stream), c.arrow, m.size())
	switch fault := c.daemon.next(event, c.daemon.isFault); fault {
	case "":
	case CloseConnection:
		return false
	case ResetConnection:
		c.link.reset()
		return false
	case HalfMessage:
		c.cut, c.cutLeft = stream, (grpcPrefixSize+m.size())/2
	case FreezeConnection:
		c.link.freeze()
	case FreezeAll:
		c.daemon.freezeAll()
	default:
		c.daemon.actions[fault]()
	}
	return true
}

func (d *Daemon) isFault(name string) bool { return slices.Contains(d.Faults(), name) }
