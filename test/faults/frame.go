package faults

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/net/http2"
)

const (
	clientPreface   = http2.ClientPreface
	frameHeaderSize = 9
)

// A frame is one frame of HTTP/2.
type frame struct {
	raw    []byte // as it was sent
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

// readFrame reads the next frame of a connection.
func readFrame(r io.Reader) (frame, error) {
	header := make([]byte, frameHeaderSize, 1<<10)
	if _, err := io.ReadFull(r, header); err != nil {
		return frame{}, err
	}
	size := int(header[0])<<16 | int(header[1])<<8 | int(header[2])
	raw := append(header, make([]byte, size)...)
	if _, err := io.ReadFull(r, raw[frameHeaderSize:]); err != nil {
		return frame{}, err
	}
	return parseFrame(raw), nil
}

// parseFrame returns the frame that raw is, whole.
func parseFrame(raw []byte) frame {
	return frame{
		raw: raw, kind: http2.FrameType(raw[3]), flags: http2.Flags(raw[4]),
		stream: binary.BigEndian.Uint32(raw[5:]) & (1<<31 - 1),
	}
}

// bounds returns where in raw the content is, without padding and priority.
func (f frame) bounds() (from, to int, err error) {
	from, to = frameHeaderSize, len(f.raw)
	if f.kind == http2.FrameContinuation {
		return from, to, nil
	}
	// Both kinds of frames that are read have the same flag for padding.
	if f.flags.Has(http2.FlagDataPadded) && to > from {
		to -= int(f.raw[from])
		from++
	}
	if f.kind == http2.FrameHeaders && f.flags.Has(http2.FlagHeadersPriority) {
		from += 5
	}
	if from > to {
		return 0, 0, errors.New("a frame of HTTP/2 with more padding than content")
	}
	return from, to, nil
}
