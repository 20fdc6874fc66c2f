package main

import (
	"fmt"
	"net/http"
	"runtime"
)

const greeting = "hello"

// routes are "/", a line of text for people, and "/healthz", which answers 204 for load balancers.
func routes(version string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s from %s/%s, version %s\n", greeting, runtime.GOOS, runtime.GOARCH, version)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
