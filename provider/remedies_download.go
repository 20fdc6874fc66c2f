package provider

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/download"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// downloadRemedies are the remedies for a Dockerfile at a URL that cannot be downloaded.
var downloadRemedies = map[download.Fault]string{
	download.Unreachable: "Check the URL, and that this machine reaches the host, or a proxy (HTTPS_PROXY) that does",
	download.UnknownHost: "Correct the name of the host, or set HTTPS_PROXY if only a proxy finds it",
	download.Silent:      "Check that this machine reaches the host, or a proxy (HTTPS_PROXY) that does, and try again",
	download.Untrusted:   "Add the authority that signed the certificate of the host to those of this machine",
	download.Status:      "Check the URL",
	download.TooLarge:    "Check the URL: no Dockerfile is that long",
	download.Redirected:  "If it is meant, write the URL that the file has in the end",
	download.Address:     "Write another host: a Dockerfile is not read from there",
	download.Page: "Write the URL of the file itself: https://raw.githubusercontent.com/… at GitHub, …/-/raw/… at " +
		"GitLab",
	download.BadURL:       "Write https://host/path",
	download.PlainLogin:   "Write https",
	download.ProxyRefused: "Correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
}

// statusRemedies replace the remedy of an answer with a status.
var statusRemedies = map[int]string{
	http.StatusNotFound: "Check the URL. A server may also answer so to those who may not read the file: write " +
		"user:password@ in front of its host then, and make the URL a Pulumi secret",
	http.StatusUnauthorized: "Write user:password@ in front of its host, and make the URL a Pulumi secret",
	http.StatusForbidden:    "Write user:password@ in front of its host, and make the URL a Pulumi secret",
	http.StatusTooManyRequests: "The server limits how often a file is read: wait, or keep a copy of the file and " +
		"write its path",
}

// explainDownload adds a remedy to the error of a Dockerfile that cannot be downloaded. Any other error stays as it is.
func explainDownload(err error) error {
	failed, ok := errors.AsType[*download.Error](err)
	if !ok {
		return err
	}
	return fmt.Errorf("the Dockerfile cannot be downloaded: %w. %s", err, downloadRemedy(failed))
}

// downloadRemedy returns the remedy for a failed download.
func downloadRemedy(failed *download.Error) string {
	switch other := statusRemedies[failed.Status]; {
	case failed.Fault != download.Status:
	case other != "":
		return other
	case failed.Status >= http.StatusInternalServerError:
		return "The fault is in that server: try again later"
	}
	return downloadRemedies[failed.Fault]
}

// warnOfURLSecrets warns of a Dockerfile's URL with a login or a token in it that is no Pulumi secret.
func warnOfURLSecrets(c *checker, location string) {
	const path = "dockerfile.location"
	_, hasLogin := login.Cut(location)
	switch remedy := "which everybody with access to the program or its state can read. Make it a Pulumi secret"; {
	case login.Hide(location) == location, c.isSecret(path):
	case hasLogin:
		c.warn("%s: its URL has a login, %s", path, remedy)
	default:
		c.warn("%s: the query of its URL seems to have a secret, %s", path, remedy)
	}
}

// failDownload reports a failed download under path. If the URL is a secret, the reason says only what shows nothing of
// it. It returns false for any other error.
func failDownload(c *checker, path string, err error) bool {
	failed, ok := errors.AsType[*download.Error](err)
	switch {
	case !ok:
		return false
	case !c.isSecret(path):
		c.fail(path, "%v", err)
	default:
		c.failWithoutValue(path, secretDownloadText(failed))
	}
	return true
}

// secretDownloadText says why a Dockerfile cannot be downloaded, and nothing of its URL.
func secretDownloadText(failed *download.Error) string {
	const text = "the Dockerfile cannot be downloaded"
	if failed.Fault == download.Status {
		return fmt.Sprintf("%s: %v. %s", text, failed.Cause, downloadRemedy(failed))
	}
	return text + ". " + downloadRemedy(failed)
}

// explainBuildInputs adds a remedy to the error of reading what a build needs. It shows no URL that is a secret.
func explainBuildInputs(given property.Map, err error) error {
	failed, ok := errors.AsType[*download.Error](err)
	const path = "dockerfile.location"
	if c := (&checker{raw: given}); ok && c.isSecret(path) {
		return errors.New(path + ": " + secretDownloadText(failed))
	}
	return explainBuild(err)
}
