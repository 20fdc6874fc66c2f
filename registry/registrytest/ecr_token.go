package registrytest

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// tokenUser is the user name of all tokens.
const tokenUser = "AWS"

// TokenMark is part of every token, for tests that look for places where none may be.
const TokenMark = "ecr-token-canary"

// now is the time at Amazon.
func (e *ECR) now() time.Time { return time.Now().Add(e.skew) }

// Token is a new one, for clients that are not asked to log in at Amazon.
func (e *ECR) Token() string { return e.issue() }

func (e *ECR) issue() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	token := fmt.Sprintf("%s-%d", TokenMark, len(e.tokens))
	e.tokens[token] = e.now().Add(tokenLife)
	return token
}

// admitted answers requests for the registry that have no good token, and says whether this one has.
func (e *ECR) admitted(w http.ResponseWriter, req *http.Request) bool {
	user, token, _ := req.BasicAuth()
	e.mu.Lock()
	expires, known := e.tokens[token]
	expired := !e.now().Before(expires)
	e.mu.Unlock()
	switch {
	case user != tokenUser || !known:
		w.Header().Set("Www-Authenticate", fmt.Sprintf(`Basic realm="https://%s/",service="ecr.amazonaws.com"`, e.Host()))
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		http.Error(w, "Not Authorized", http.StatusUnauthorized)
	case expired:
		Refuse(w, http.StatusForbidden, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
	default:
		return true
	}
	return false
}

// signature is where a request signed with AWS Signature Version 4 names its access key and region.
var signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/`)

func (e *ECR) getAuthorizationToken(req *http.Request) map[string]any {
	signed := signature.FindStringSubmatch(req.Header.Get("Authorization"))
	e.mu.Lock()
	e.principals = append(e.principals, signed[1]+" in "+signed[2])
	e.mu.Unlock()
	token := e.issue()
	e.mu.Lock()
	defer e.mu.Unlock()
	return map[string]any{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte(tokenUser + ":" + token)),
		"expiresAt":          float64(e.tokens[token].Unix()),
		"proxyEndpoint":      "https://" + e.Host(),
	}
}

// assumeRole is STS's: the access key that it gives ends with the name of the role, so that Principals show it.
func (e *ECR) assumeRole(w http.ResponseWriter, req *http.Request) {
	e.mu.Lock()
	e.calls["AssumeRole"]++
	denied := e.denied["sts:AssumeRole"]
	e.mu.Unlock()
	role := req.PostFormValue("RoleArn")
	w.Header().Set("Content-Type", "text/xml")
	if denied {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>%s</Message></Error></ErrorResponse>`,
			escaped("User: "+user+" is not authorized to perform: sts:AssumeRole on resource: "+role))
		return
	}
	_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId>`+
		`<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%s</Expiration></Credentials>`+
		`</AssumeRoleResult></AssumeRoleResponse>`,
		escaped(role[strings.LastIndexByte(role, '/')+1:]), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
