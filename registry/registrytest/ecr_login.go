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

// signature matches the place where a request signed with AWS Signature Version 4 names its access key and region.
var signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/`)

// getAuthorizationToken returns a token for the access key that signed the request.
func (a ecrAPI) getAuthorizationToken(req *http.Request) map[string]any {
	signed := signature.FindStringSubmatch(req.Header.Get("Authorization"))
	a.mu.Lock()
	a.principals = append(a.principals, signed[1]+" in "+signed[2])
	a.mu.Unlock()
	token := a.issue()
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]any{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte(tokenUser + ":" + token)),
		"expiresAt":          float64(a.tokens[token].Unix()),
		"proxyEndpoint":      "https://" + a.Host(),
	}
}

// assumeRole answers the operation of STS. The access key that it gives ends with the name of the role, so that
// Principals shows it.
func (a ecrAPI) assumeRole(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	a.calls["AssumeRole"]++
	denied := a.denied["sts:AssumeRole"]
	a.mu.Unlock()
	role := req.PostFormValue("RoleArn")
	w.Header().Set("Content-Type", "text/xml")
	if denied {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
			`<Message>%s</Message></Error></ErrorResponse>`,
			escapeXML("User: "+user+" is not authorized to perform: sts:AssumeRole on resource: "+role))
		return
	}
	_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId>`+
		`<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>`+
		`<Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		escapeXML(role[strings.LastIndexByte(role, '/')+1:]), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// escapeXML returns a text as it may stand in XML.
func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
