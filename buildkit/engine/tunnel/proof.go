package tunnel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Proof shows whose loopback a process sees. A process that connects to the port of its own loopback, asks the question
// and gets the answer is on the machine of the Prover.
//
// No identity of a machine would do. Clones of a virtual machine share what their disks and kernels know, and two of
// them may build in one engine.
type Proof struct {
	Port     int    `json:"port"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

const (
	// proofLimit bounds the time in which a Prover answers.
	proofLimit = time.Second
	// maxProofs is how many proofs of a claim are tried: the newest.
	maxProofs = 50
)

// Prover answers the question of a Proof on the loopback of this process. The caller closes it.
type Prover struct {
	proof  Proof
	server *http.Server
	ended  chan error
}

// NewProver starts to answer at a free port of the loopback.
func NewProver(ctx context.Context) (*Prover, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a port of the loopback: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	proof := Proof{Port: port, Question: rand.Text(), Answer: rand.Text()}
	server := &http.Server{
		ReadHeaderTimeout: dialLimit,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/"+proof.Question {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, proof.Answer)
		}),
	}
	p := &Prover{proof: proof, server: server, ended: make(chan error, 1)}
	rescue.Go(func(err error) { p.ended <- err }, func() { p.ended <- server.Serve(listener) })
	return p, nil
}

// Proof returns what the prover answers.
func (p *Prover) Proof() Proof { return p.proof }

// Close ends the answers.
func (p *Prover) Close() error {
	err := p.server.Close()
	if ended := <-p.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// HoldsHere reports whether one of the proofs is of a process that has the same loopback as this one. It tries the last
// ones first.
func HoldsHere(ctx context.Context, proofs []Proof) bool {
	client := &http.Client{
		Timeout: proofLimit, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for i := len(proofs) - 1; i >= max(0, len(proofs)-maxProofs); i-- {
		if proofs[i].holds(ctx, client) {
			return true
		}
	}
	return false
}

func (p Proof) holds(ctx context.Context, c *http.Client) bool {
	address := fmt.Sprintf("http://127.0.0.1:%d/%s", p.Port, p.Question)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	response, err := c.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, int64(len(p.Answer))+1))
	return err == nil && p.Answer != "" && string(text) == p.Answer
}
