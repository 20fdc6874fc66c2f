package buildkit

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/status"
)

// LostDaemonError is a daemon that ended, froze, became unreachable or ended its session during a build.
type LostDaemonError struct {
	Silent bool          // it gives no sign of life; else the connection to it ended
	Limit  time.Duration // for how long it gave none; 0 if that is not known
	Text   string        // why the connection ended; "" if it just ended

	SessionEnded bool // only the session of the build ended: the daemon answers
}

// Error says what happened to the daemon.
func (e *LostDaemonError) Error() string {
	switch {
	case e.Silent && e.Limit > 0:
		return fmt.Sprintf("the daemon has given no sign of life for %s", e.Limit.Round(time.Second))
	case e.Silent:
		return "the daemon gives no sign of life"
	case e.SessionEnded:
		return "the session with the daemon ended, although the daemon answers"
	case e.Text == "":
		return "the daemon ended, or the connection to it did"
	}
	return "the daemon ended, or the connection to it did: " + e.Text
}

// lostLayers are the texts that packages of gRPC and BuildKit put before the end of a connection.
var lostLayers = []string{
	"failed to solve: ", "failed to receive status: ", "rpc error: code = Unavailable desc = ", "Unavailable: ",
	"error reading from server: ", "connection error: desc = ", "transport: ",
}

// pingWithoutAnswer is gRPC's text about a peer that does not answer the pings of the keepalive.
const pingWithoutAnswer = "keepalive ping failed to receive ACK within timeout"

// newLostDaemonError returns the error of a solve whose connection ended with err, a status of gRPC. hide takes out the
// secrets.
func newLostDaemonError(err error, hide func(string) string) *LostDaemonError {
	text := err.Error()
	if st, ok := status.FromError(err); ok {
		text = st.Message()
	}
	for _, layer := range lostLayers {
		text = strings.ReplaceAll(text, layer, "")
	}
	switch {
	case strings.Contains(text, pingWithoutAnswer):
		return &LostDaemonError{Silent: true}
	case text == "EOF" || text == "unexpected EOF":
		return &LostDaemonError{}
	}
	return &LostDaemonError{Text: hide(text)}
}
