package provider

import (
	"context"
	"errors"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/status"
)

// evil is a hostile text, and shownEvil is how the provider shows it.
const (
	evil      = "\x1b]0;x\x07<{%x%}>\u202e\xff https://h/?X-Amz-Signature=c4n4ry"
	shownEvil = `\x1b]0;x\x07<\{%x%}>\u202e\xff https://h/?X-Amz-Signature=[secret]`
)

// Everything that the provider sends to the engine passes through package foreign.
func TestForeignTextIsShownSafely(t *testing.T) {
	t.Parallel()
	say := func(ctx context.Context) {
		log := loggerOf(ctx)
		log.debugf("debug %s", evil)
		log.infof("info %s", evil)
		log.warnf("warning %s", evil)
		log.status("status " + evil)
	}
	speaking := p.Provider{
		Check: func(ctx context.Context, _ p.CheckRequest) (p.CheckResponse, error) {
			say(ctx)
			return p.CheckResponse{Failures: []p.CheckFailure{{Property: "buildArgs." + evil, Reason: evil}}}, nil
		},
		Create: func(context.Context, p.CreateRequest) (p.CreateResponse, error) {
			return p.CreateResponse{
				ID: "app", PartialState: &p.InitializationFailed{Reasons: []string{evil}},
			}, errors.New("partial")
		},
		Read: func(context.Context, p.ReadRequest) (p.ReadResponse, error) {
			return p.ReadResponse{}, errors.New(evil)
		},
		Delete: func(context.Context, p.DeleteRequest) error { panic(evil) },
	}
	w, empty := dial(t, guardProvider(speaking), `{}`), marshalProperties(t, property.Map{})
	checked, err := w.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: empty})
	if err != nil {
		t.Fatal(err)
	}
	_, created := w.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: empty})
	_, read := w.Read(t.Context(), &pulumirpc.ReadRequest{Id: "app", Urn: string(urn), Properties: empty})
	_, deleted := w.Delete(t.Context(), &pulumirpc.DeleteRequest{Id: "app", Urn: string(urn), Properties: empty})
	failure := checked.GetFailures()[0]
	for name, text := range map[string]string{
		"property": failure.GetProperty(), "reason": failure.GetReason(), "logs": w.logText(),
		"partial state": errorText(created), "error": errorText(read), "panic": errorText(deleted),
	} {
		if !strings.Contains(text, shownEvil) || strings.ContainsAny(text, "\x1b\x07\u202e") ||
			strings.Contains(text, "<{%") ||
			strings.Contains(text, "c4n4ry") {
			t.Errorf("%s: %q", name, text)
		}
	}
	for _, level := range []string{"debug", "info", "warning", "status"} {
		if !strings.Contains(w.logText(), level+" "+shownEvil) {
			t.Errorf("%s: %s", level, w.logText())
		}
	}
}

// errorText returns the text of an error with the details of its status, which the engine stores with a partial state.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	for _, detail := range status.Convert(err).Details() {
		if partial, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			text += strings.Join(partial.GetReasons(), "\n")
		}
	}
	return text
}

// The engine prints the value of a property with a failure.
func TestUnsafeValuesAreNotShown(t *testing.T) {
	t.Parallel()
	for value, printed := range map[string]bool{
		"a": true, evil: false, "<{%x%}>": false, "https://u:p@h/r.git": false,
	} {
		raw := property.NewMap(map[string]property.Value{
			"context": property.New(map[string]property.Value{"location": property.New(value)}),
		})
		failures := hideValues(raw, []p.CheckFailure{{Property: "context", Reason: "no"}})
		if got := failures[0].Property == "context"; got != printed {
			t.Errorf("%q: printed: %v", value, got)
		}
	}
}
