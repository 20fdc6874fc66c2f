package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/":        {http.StatusOK, "hello from " + runtime.GOOS + "/" + runtime.GOARCH + ", version 1.2\n"},
		"/healthz": {http.StatusNoContent, ""},
		"/other":   {http.StatusNotFound, "404 page not found\n"},
	} {
		answer := httptest.NewRecorder()
		routes("1.2").ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != want.status || answer.Body.String() != want.body {
			t.Errorf("GET %s: %d %q, want %d %q", path, answer.Code, answer.Body, want.status, want.body)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := serve(ctx, slog.New(slog.DiscardHandler), "127.0.0.1:0", "1.2"); err != nil {
		t.Errorf("a server that was told to end: %v", err)
	}
}

func TestServeNamesTheAddress(t *testing.T) {
	t.Parallel()
	err := serve(t.Context(), slog.New(slog.DiscardHandler), "127.0.0.1:-1", "1.2")
	if err == nil || !strings.Contains(err.Error(), "-1") {
		t.Errorf("an impossible port: %v", err)
	}
}
