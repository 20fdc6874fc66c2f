package buildkit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// lockedBuffer is a buffer for records that come from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(data)
}

// records returns the records of a log in JSON, by their messages.
func (b *lockedBuffer) records(t *testing.T) map[string][]map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	records := map[string][]map[string]any{}
	for line := range strings.Lines(b.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		message, _ := record["msg"].(string)
		records[message] = append(records[message], record)
	}
	return records
}

// hasRecord reports whether one of the records has a text in the value of a key.
func hasRecord(records []map[string]any, key, text string) bool {
	for _, record := range records {
		value, err := json.Marshal(record[key])
		if err == nil && record[key] != nil && strings.Contains(string(value), text) {
			return true
		}
	}
	return false
}

// wantedRecords returns a text in the value of a key that the log must have, by the message of the record.
func wantedRecords(s *stepBuilder) []struct{ message, key, text string } {
	return []struct{ message, key, text string }{
		{"solve starts", "repositories", s.repository},
		{"image resolved", "image", s.base},
		{"image resolved", "digest", "sha256:"},
		{"named context", "name", "extra"},
		{"frontend asks for a source", "source", "local://context"},
		{"frontend asks for a source", "followPaths", "2"},
		{"frontend asks for a source", "source", "/file"},
		{"daemon asks for a source", "action", "ALLOW"},
		{"daemon asks for a source", "action", "CONVERT"},
		{"cache import", "cache", "bucket"},
		{"cache import failed", "cache", "s3"},
		{"cache import left out", "reason", "there is no cache in the folder"},
		{"push starts", "repository", s.repository},
		{"push ends", "duration", ""},
		{"solve ends", "digest", "sha256:"},
	}
}

func TestLogHasTheSolveAndNoSecret(t *testing.T) {
	t.Parallel()
	const (
		secretCanary = "Canary-Log-Secret"
		urlCanary    = "Canary-Log-Url"
		cacheCanary  = "Canary-Log-Cache"
	)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("x"))
	}))
	defer files.Close()
	withLogin := strings.Replace(files.URL, "http://", "http://user:"+urlCanary+"@", 1)
	s, log := newStepBuilder(t), &lockedBuffer{}
	plan := s.plan(t, "COPY a b /\nADD "+withLogin+"/file /\n"+
		"RUN --mount=type=secret,id=s cat /run/secrets/s")
	writeAlike(t, plan.Files.Context, map[string]string{"a": "a", "b": "b", "other": "not read"})
	// In a build of its own: BuildKit's frontend has a race when it resolves a base image and a named context at once.
	named := inputs.Plan{Files: inputs.Files{
		Context: t.TempDir(), Inline: []byte("FROM scratch\nCOPY --from=extra / /extra\n"),
	}}
	named.Files.Named = map[string]string{"extra": withLogin + "/extra.tar"}
	access := secrets(map[string]string{"s": secretCanary})
	access.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s3 := map[string]string{
		"bucket": "bucket", "region": "r", "endpoint_url": "http://127.0.0.1:1/" + cacheCanary, "access_key_id": "AKIA",
		"secret_access_key": cacheCanary, "retry_max_attempts": "1",
	}
	access.CacheFrom = []buildkit.Cache{
		{Type: "s3", Options: s3}, {Type: "local", Options: map[string]string{"src": t.TempDir()}},
	}
	for _, p := range []inputs.Plan{plan, named} {
		if _, err := s.solve(t.Context(), p, access); err != nil {
			t.Fatal(err)
		}
	}
	for _, canary := range []string{secretCanary, urlCanary, cacheCanary} {
		for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
			if strings.Contains(log.String(), form) {
				t.Errorf("%s is in the log: %s", form, log.String())
			}
		}
	}
	records := log.records(t)
	for _, want := range wantedRecords(s) {
		if !hasRecord(records[want.message], want.key, want.text) {
			t.Errorf("%s: no record has %q in %s: %v", want.message, want.text, want.key, records[want.message])
		}
	}
}

func TestLogOfAFailure(t *testing.T) {
	t.Parallel()
	s, log := newStepBuilder(t), &lockedBuffer{}
	access := buildkit.Access{Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	plan := inputs.Plan{Files: s.plan(t, "RUN exit 7").Files}
	if _, err := s.solve(t.Context(), plan, access); err == nil {
		t.Fatal("the step did not fail")
	}
	if records := log.records(t); !hasRecord(records["solve ends"], "reason", "exit code 7") {
		t.Errorf("got %v", records)
	}
}
