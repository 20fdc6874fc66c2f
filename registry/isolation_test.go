package registry_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// isolate keeps the tests from this machine's credentials and from everybody but this machine.
func isolate(folder string) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"AWS_", "AZURE_", "GOOGLE_", "GITHUB_", "DOCKER_"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
	}
	file := filepath.Join(folder, "aws")
	if err := os.WriteFile(file, []byte(awsProfiles), 0o600); err != nil {
		panic(err)
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(folder, "none"),
		"AWS_EC2_METADATA_DISABLED": "true",
		"HOME":                      folder, "HTTPS_PROXY": outside.start(), "NO_PROXY": "",
	} {
		os.Setenv(name, value)
	}
}

// awsProfiles is the content of ~/.aws/config.
const awsProfiles = `
[profile one]
aws_access_key_id=AKIAONE
aws_secret_access_key=` + canary + `
[profile two]
aws_access_key_id=AKIATWO
aws_secret_access_key=` + canary + `
[profile expired]
aws_access_key_id=AKIAEXPIRED
aws_secret_access_key=` + canary + `
[profile nothing]
output=json
[profile sso]
sso_session=acme
sso_account_id=123456789012
sso_role_name=dev
[sso-session acme]
sso_region=eu-west-1
sso_start_url=https://acme.awsapps.com/start
sso_registration_scopes=sso:account:access
[profile login]
login_session=arn:aws:iam::123456789012:user/ci
[profile process]
credential_process=false
[profile second-factor]
role_arn=arn:aws:iam::123456789012:role/admin
source_profile=one
mfa_serial=arn:aws:iam::123456789012:mfa/ci
`

// outside stands for all hosts but this machine: a proxy that lets no request through and records where it would have
// gone.
var outside = &nowhere{}

// nowhere is a proxy that lets no request through.
type nowhere struct {
	mu    sync.Mutex
	hosts []string
}

// start serves the proxy, and returns its URL.
func (n *nowhere) start() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n.mu.Lock()
		n.hosts = append(n.hosts, req.Host)
		n.mu.Unlock()
		w.WriteHeader(http.StatusForbidden)
	})).URL
}

// hasRequest reports whether a request for host came.
func (n *nowhere) hasRequest(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.hosts, host+":443")
}
