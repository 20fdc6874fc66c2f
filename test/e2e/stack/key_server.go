//go:build linux

package stack

import (
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"
)

// secretsProvider is the secrets provider of all stacks: the key server of this process.
//
// A passphrase would cost each command of the CLI a fifth of a second of CPU time, for the derivation of the key.
const secretsProvider = "hashivault://tests"

// keyServer starts the key server with its first call and returns its URL. The server ends with this process.
//
// It answers as HashiCorp Vault does. It keeps nothing secret: a ciphertext is the plaintext with another name.
var keyServer = sync.OnceValues(func() (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/transit/encrypt/tests", renameField("plaintext", "ciphertext"))
	mux.HandleFunc("PUT /v1/transit/decrypt/tests", renameField("ciphertext", "plaintext"))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
})

// renameField returns a handler that answers with the value of one field of the request under another name.
func renameField(from, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request map[string]string
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := map[string]any{"data": map[string]string{to: request[from]}}
		_ = json.NewEncoder(w).Encode(answer)
	}
}
