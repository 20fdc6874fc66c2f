package registry

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Files that the clouds' libraries read by themselves, by the variable that names each, and where they are without it
// in the home folder. A FIFO there would be waited for, and a device read until memory ends.
var (
	amazonFiles = map[string]string{
		"AWS_CONFIG_FILE": ".aws/config", "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials", "AWS_CA_BUNDLE": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "",
	}
	googleFiles = map[string]string{ //nolint:gosec // where credentials are, not what they are
		"GOOGLE_APPLICATION_CREDENTIALS": ".config/gcloud/application_default_credentials.json",
	}
	microsoftFiles = map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "", "AZURE_CLIENT_CERTIFICATE_PATH": ""}
)

// checkFiles returns an error for a file that is not regular or too large. The error names its variable or its path.
func checkFiles(files map[string]string) error {
	for variable, usual := range files {
		path, name := os.Getenv(variable), variable
		if home, err := os.UserHomeDir(); path == "" && usual != "" && err == nil {
			path = filepath.Join(home, filepath.FromSlash(usual))
			name = path
		}
		if path == "" {
			continue
		}
		if err := file.Check(path, file.LimitText); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
