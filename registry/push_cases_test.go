package registry_test

import (
	"net/http"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const unauthorizedUser = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:ACTION on " +
	"resource: " +
	"arn:aws:ecr:eu-west-1:123456789012:repository/app because no identity-based policy allows the ecr:ACTION action"

const (
	manifests = "/manifests/"
	zero      = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	tagLimit  = "Adding tag 'x' to an image in the repository with name 'app' in registry with id '123456789012' " +
		"exceeds the maximum " +
		"allowed number of tags per image which is '1000'"
	imageLimit = "The repository with name 'app' in registry with id '123456789012' already has the maximum allowed " +
		"number of images which is '100000'"
	breaks  = ""
	refused = "HOST refused the credentials"
)

const harborQuota = "adding 1.2 MiB of storage resource, which when updated to current usage of 9.1 MiB will exceed " +
	"the configured upper limit of 10.0 MiB."

// page413 returns what nginx answers to a request that is longer than its client_max_body_size.
func page413(method string) registrytest.Rule {
	return registrytest.Rule{Method: method, Path: "/blobs/",
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<html><center><h1>413 Request Entity Too Large</h1></center></html>",
				http.StatusRequestEntityTooLarge)
		}}
}

// refusePut returns a rule that refuses every PUT.
func refusePut(status int, code, message string) registrytest.Rule {
	return registrytest.Rule{Method: http.MethodPut, Path: manifests,
		Fault: registrytest.Status(status, code, message, "")}
}

// explainedPushes are failures of a registry, with the error that ExplainPush returns.
var explainedPushes = []struct {
	name      string
	rule      registrytest.Rule
	deny      string
	is        error
	temporary bool
	want      string
	whole     string // when the daemon tells all that containerd says
}{
	{
		"429", refusePut(429, "TOOMANYREQUESTS", "Rate exceeded"), "", fault.ErrRateLimited, true,
		"429 rate limited: Rate exceeded", "",
	},
	{"429 to HEAD", registrytest.Rule{Method: http.MethodHead,
		Fault: registrytest.Status(429, "TOOMANYREQUESTS", "Rate exceeded", "")}, "",
		fault.ErrRateLimited, true, "429 rate limited: too many requests", ""},
	{"500", refusePut(500, "UNKNOWN", "disk full"), "", nil, true, "disk full", "500 disk full"},
	{"502, a page", registrytest.Rule{Method: http.MethodPut,
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<h1>Bad gateway</h1>", http.StatusBadGateway)
		}}, "", nil, true, "502 bad gateway", ""},
	{"503 to POST", registrytest.Rule{Method: http.MethodPost, Path: "/blobs/",
		Fault: registrytest.Status(503, "UNAVAILABLE", "later", "")}, "",
		nil, true, "later", "503 later"},
	{
		"reset", registrytest.Rule{Method: http.MethodHead, Fault: registrytest.Reset(0)}, "", fault.ErrUnreachable,
		true,
		"unreachable: read tcp PORT->HOST: read: connection reset by peer" + breaks, "",
	},
	{
		"reset in a layer", registrytest.Rule{Method: http.MethodPut, Path: "/blobs/", Fault: registrytest.Reset(10)},
		"",
		fault.ErrUnreachable, true, "unreachable: read tcp PORT->HOST: read: connection reset by peer" + breaks, "",
	},
	{
		"closed", registrytest.Rule{Method: http.MethodPut, Path: manifests, Fault: registrytest.CloseConnection}, "",
		fault.ErrUnreachable, true, "unreachable: EOF" + breaks, "",
	},
	{
		"silence", registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Stall}, "", fault.ErrUnreachable, true,
		"unreachable: context deadline exceeded" + breaks, "",
	},
	{"201 and nothing stored", registrytest.Rule{Method: http.MethodPut, Path: "/blobs/", Fault: registrytest.Lose}, "",
		nil, true,
		"blob unknown to registry; HOST does not have what it was given a moment ago",
		"400 blob unknown to registry; HOST does not have what it was given a moment ago"},
	{
		"another digest", registrytest.Rule{Method: http.MethodPut, Path: manifests, Fault: registrytest.Digest(zero)},
		"",
		fault.ErrMismatch, false, "content mismatch: got digest " + zero + ", expected DIGEST", "",
	},
	{"artifact", refusePut(405, "UNSUPPORTED", "Invalid parameter at 'ImageManifest' failed to satisfy constraint: "+
		"'Invalid JSON syntax'"), "",
		fault.ErrUnsupported, false, "unsupported by the registry: Invalid parameter at 'ImageManifest' failed to " +
			"satisfy constraint: 'Invalid JSON syntax'", ""},
	{
		"tags", refusePut(403, "DENIED", tagLimit), "", fault.ErrLimit, false, "over a limit: " + tagLimit, "",
	},
	{
		"images", refusePut(403, "DENIED", imageLimit), "", fault.ErrLimit, false, "over a limit: " + imageLimit, "",
	},
	{
		"Harbor's quota", refusePut(403, "DENIED", harborQuota), "", fault.ErrQuota, false, "over a quota: " +
			harborQuota, "",
	},
	{
		"another quota", refusePut(403, "DENIED", "Quota has been exceeded on namespace"), "", fault.ErrQuota, false,
		"over a quota: Quota has been exceeded on namespace", "",
	},
	{"ECR's limit", refusePut(400, "UNKNOWN", "LimitExceededException: it would have exceeded a service limit for "+
		"your "+
		"account"), "", fault.ErrLimit, false,
		"over a limit: LimitExceededException: it would have exceeded a service limit for your account", ""},
	{
		"413 of nginx", page413(http.MethodPost), "", fault.ErrTooLarge, false,
		"413 too large: request entity too large", "",
	},
	{
		"413 of nginx to a layer", page413(http.MethodPut), "", fault.ErrTooLarge, false,
		"413 too large: request entity too large", "",
	},
	{
		"413 in JSON", refusePut(413, "UNKNOWN", "Request body too large"), "", fault.ErrTooLarge, false,
		"413 too large: Request body too large", "",
	},
	{
		"415", refusePut(415, "MANIFEST_INVALID", "unsupported manifest media type"), "", fault.ErrManifestRefused,
		false,
		"manifest refused: unsupported manifest media type", "",
	},
	{"415, a page", registrytest.Rule{Method: http.MethodPut, Path: manifests,
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<h1>Unsupported</h1>", http.StatusUnsupportedMediaType)
		}}, "", fault.ErrManifestRefused, false, "manifest refused: unsupported media type", ""},
	{
		"manifest invalid", refusePut(400, "MANIFEST_INVALID", "manifest invalid"), "", fault.ErrManifestRefused, false,
		"manifest refused: manifest invalid", "",
	},
	{"507", registrytest.Rule{Method: http.MethodPut, Path: "/blobs/",
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<h1>Full</h1>", http.StatusInsufficientStorage)
		}}, "", fault.ErrNoStorage, false, "the registry has no space left: insufficient storage", ""},
	{"a full disk", refusePut(500, "UNKNOWN", "write /var/lib/registry/x: no space left on device"), "",
		fault.ErrNoStorage,
		false,
		"the registry has no space left: write /var/lib/registry/x: no space left on device", ""},
	{"read-only Harbor", refusePut(403, "DENIED", "The system is in read only mode. Any modification is prohibited."),
		"",
		fault.ErrReadOnly, false,
		"read-only registry: The system is in read only mode. Any modification is prohibited.", ""},
	{
		"KMS", refusePut(403, "DENIED", "KmsException: key is disabled"), "", fault.ErrDenied, false,
		"403 denied: KmsException: key is disabled", "",
	},
	{
		"upload denied", registrytest.Rule{}, "InitiateLayerUpload", fault.ErrDenied, false,
		"403 denied: USER", "",
	},
	{
		"layer denied", registrytest.Rule{}, "CompleteLayerUpload", fault.ErrDenied, false,
		"403 denied: USER", "",
	},
	{
		"image denied", registrytest.Rule{}, "PutImage", fault.ErrDenied, false,
		"403 denied: USER", "",
	},
	{"expired", registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Status(403, "DENIED",
		"Your authorization token has expired. Reauthenticate and try again.", "")}, "", fault.ErrUnauthorized, false,
		"401 unauthorized: Your authorization token has expired. Reauthenticate and try again.; " + refused, ""},
	{"401 without a challenge", registrytest.Rule{Method: http.MethodPut,
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "Not Authorized", http.StatusUnauthorized)
		}}, "", fault.ErrUnauthorized, false, "401 unauthorized: unauthorized; " + refused, ""},
	{"no such path", registrytest.Rule{Path: "/v2/app",
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<h1>Not found</h1>", http.StatusNotFound)
		}}, "", fault.ErrNotFound, false, "not found", ""},
}
