// Package download fetches small texts from the URLs that a program names.
//
// A server's word is no reason to reach services of this machine. So each address is judged when it is dialed, after
// DNS has resolved its name.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Text is what a URL holds.
type Text struct {
	Content []byte
	// tag is the server's name of this content, an ETag; "" if it gave none.
	tag string
}

// Options bound a download.
type Options struct {
	Limit   int64         // bytes that the text may have
	Timeout time.Duration // of everything, redirects included
	Before  *Text         // what an earlier download gave; nil is none
}

// maxRedirects is how often a request may be sent elsewhere.
const maxRedirects = 5

// maxHeader bounds the header of a response, in bytes.
const maxHeader = 256 << 10

// IsURL tells whether a location is an http or https URL.
func IsURL(location string) bool {
	scheme, _, ok := strings.Cut(location, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// Get returns the text at an http or https URL. A login in the URL goes to its host only. If the server says that
// nothing has changed since Options.Before, Get returns that.
//
// Proxies are those of the environment. Errors are of type *Error, or the cause of ctx.
func Get(ctx context.Context, location string, options Options) (*Text, error) {
	fail := func(fault Fault, status int, cause error) error {
		return &Error{URL: login.Hide(location), Fault: fault, Status: status, Cause: cause}
	}
	first, err := url.Parse(location)
	if err != nil || !IsURL(location) || first.Host == "" {
		return nil, fail(BadURL, 0, errors.New("it is not a valid URL"))
	}
	bounded, stop := context.WithTimeoutCause(ctx, options.Timeout, errSilent(options.Timeout))
	defer stop()
	req, err := http.NewRequestWithContext(bounded, http.MethodGet, location, http.NoBody)
	if err != nil {
		return nil, fail(BadURL, 0, errors.New("it is not a valid URL"))
	}
	if options.Before != nil && options.Before.tag != "" {
		req.Header.Set("If-None-Match", options.Before.tag)
	}
	r := newRoute(first)
	defer r.close()
	text, status, err := r.send(req, options)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case bounded.Err() != nil:
		return nil, fail(Silent, 0, context.Cause(bounded))
	case err != nil:
		return nil, fail(faultOf(err), status, withoutURL(err))
	}
	return text, nil
}

// send sends the request and reads the answer. The status is 0 if there was no answer.
func (r *route) send(req *http.Request, options Options) (text *Text, status int, err error) {
	if err := r.check(req.URL); err != nil {
		return nil, 0, err
	}
	client := http.Client{Transport: redirects{r.transport}, CheckRedirect: r.checkRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotModified && options.Before != nil {
		return options.Before, resp.StatusCode, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, resp.StatusCode, &statusError{resp.StatusCode}
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, options.Limit+1))
	switch {
	case err != nil:
		return nil, resp.StatusCode, fmt.Errorf("the answer ends early: %w", err)
	case int64(len(content)) > options.Limit:
		return nil, resp.StatusCode, &sizeError{options.Limit}
	case isPage(resp.Header, content):
		return nil, resp.StatusCode, errPage
	}
	return &Text{Content: content, tag: resp.Header.Get("ETag")}, resp.StatusCode, nil
}

// isPage tells whether an answer is a web page, as code hosts show a file.
func isPage(header http.Header, content []byte) bool {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/html") &&
		strings.HasPrefix(strings.TrimSpace(string(content[:min(len(content), 512)])), "<")
}
