//go:build linux

package reliability

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"
)

// The faults of a request to the registry.
const (
	resetBefore     = "reset-before"      // the connection breaks, and the registry did not see the request
	resetInRequest  = "reset-in-request"  // the connection breaks in the middle of the request's body
	resetInAnswer   = "reset-in-answer"   // the registry acts, and the connection breaks in the middle of the answer
	loseAnswer      = "lose-answer"       // the registry acts, and the connection breaks before the answer
	silence         = "silence"           // nobody answers until the client gives up
	killPlugin      = "kill-plugin"       // kill -9 of the plugin; the registry did not see the request
	killPluginAfter = "kill-plugin-after" // kill -9 of the plugin after the registry acted, before the answer
	killEngine      = "kill-engine"       // kill -9 of the Pulumi CLI
	killDaemon      = "kill-daemon"       // kill -9 of buildkitd
)

// statusFaults are the HTTP errors that a registry may answer once.
var statusFaults = []string{"401", "403", "404", "429", "500", "503"}

// registryFaults lists the faults of a request that need no process of the command.
var registryFaults = append(slices.Clone(statusFaults), resetBefore, resetInRequest, resetInAnswer, loseAnswer, silence)

// killFaults lists the faults that end a process. killEngine needs the real CLI.
var killFaults = []string{killPlugin, killPluginAfter, killDaemon}

// silenceLimit is longer than any client of the harness waits.
const silenceLimit = 40 * time.Second

// errorBody is what a distribution registry answers with an HTTP error.
const errorBody = `{"errors":[{"code":%q,"message":"a fault of the harness"}]}`

var errorCodes = map[int]string{
	401: "UNAUTHORIZED", 403: "DENIED", 404: "NOT_FOUND", 429: "TOOMANYREQUESTS", 500: "UNKNOWN", 503: "UNAVAILABLE",
}

// inject makes the fault happen to the request.
func (p *registryPoint) inject(w http.ResponseWriter, r *http.Request, fault string) {
	switch fault {
	case resetBefore:
		reset(w)
	case resetInRequest:
		_, _ = io.CopyN(io.Discard, r.Body, max(r.ContentLength/2, 1))
		reset(w)
	case loseAnswer:
		p.forward(httptest.NewRecorder(), r)
		reset(w)
	case resetInAnswer:
		answer := httptest.NewRecorder()
		p.forward(answer, r)
		cutAnswer(w, answer.Result())
	case silence:
		_, _ = io.Copy(io.Discard, r.Body) // the server notices the end of the client only after the body
		select {
		case <-r.Context().Done():
		case <-time.After(silenceLimit):
		}
		reset(w)
	case killPlugin, killEngine:
		p.kill(fault)
		reset(w)
	case killPluginAfter:
		p.forward(httptest.NewRecorder(), r)
		p.kill(fault)
		reset(w)
	case killDaemon:
		p.kill(fault)
		p.forward(w, r)
	default:
		refuse(w, fault)
	}
}

// refuse answers with the HTTP status that the fault names.
func refuse(w http.ResponseWriter, fault string) {
	status, err := strconv.Atoi(fault)
	if err != nil {
		panic(fmt.Sprintf("no fault of a registry is called %q", fault))
	}
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Basic realm="harness"`)
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, errorBody, errorCodes[status])
}

// reset breaks the connection without a FIN.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	if conn, _, err := hijacker.Hijack(); err == nil {
		breakConnection(conn)
	}
}

func breakConnection(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cutAnswer sends the first half of an answer and breaks the connection. An answer without a body ends in its headers.
func cutAnswer(w http.ResponseWriter, answer *http.Response) {
	body, _ := io.ReadAll(answer.Body)
	var head bytes.Buffer
	_, _ = fmt.Fprintf(&head, "HTTP/1.1 %s\r\n", statusLine(answer.StatusCode))
	answer.Header.Del("Transfer-Encoding")
	if answer.Header.Get("Content-Length") == "" {
		answer.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	_ = answer.Header.Write(&head)
	text := append(append(head.Bytes(), "\r\n"...), body...)
	end := len(text) - (len(body)+1)/2
	if len(body) == 0 {
		end = len(text) / 2
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = buffered.Write(text[:end])
	_ = buffered.Flush()
	breakConnection(conn)
}

func statusLine(code int) string { return strconv.Itoa(code) + " " + http.StatusText(code) }

// applies tells whether the fault can happen to the request as it is meant. A registry that denies what it has is
// believed: 404 is a fault only while it is still storing an image.
func applies(fault, command string, line requestLine) bool {
	switch fault {
	case resetInRequest:
		return line.hasBody
	case "404":
		reads := line.method == http.MethodGet || line.method == http.MethodHead
		return line.path == "/v2/" || reads && command == up
	case "403":
		return line.path != "/v2/"
	}
	return true
}
