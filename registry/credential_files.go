package registry

// Files that the libraries of clouds read by themselves; see fault.CheckFiles.
var (
	googleFiles = map[string]string{ //nolint:gosec // where credentials are, not what they are
		"GOOGLE_APPLICATION_CREDENTIALS": ".config/gcloud/application_default_credentials.json",
	}
	microsoftFiles = map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "", "AZURE_CLIENT_CERTIFICATE_PATH": ""}
)
