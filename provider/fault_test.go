package provider

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// faults are faults of registries during a push. The push succeeds in spite of those without an expected error.
var faults = map[string]struct {
	meet func(*testing.T, faultyRegistry)
	want []string // in the error
}{
	"429 to HEAD of a blob":    {inject(http.MethodHead, blobs, 12, tooManyRequests), nil},
	"429 to POST":              {inject(http.MethodPost, uploads, 12, tooManyRequests), nil},
	"429 to PUT of a blob":     {inject(http.MethodPut, uploads, 12, tooManyRequests), nil},
	"429 to PUT of a manifest": {inject(http.MethodPut, byDigest, 12, tooManyRequests), nil},
	"429 to reading it back":   {inject(http.MethodGet, byDigest, 5, tooManyRequests), nil},
	"429 to HEAD of a tag":     {inject(http.MethodHead, byTag, 5, tooManyRequests), nil},
	"429 to PUT of a tag":      {inject(http.MethodPut, byTag, 5, tooManyRequests), nil},
	"429 with Retry-After":     {inject(http.MethodPut, byTag, 1, tooManyRequestsRetryAfter), nil},
	"429 for ever": {
		inject(http.MethodPut, byDigest, 0, tooManyRequests),
		[]string{
			"pushing to HOST/app: 429 rate limited: Rate exceeded (tried 13 times in ",
			"; wait some minutes and try again, with fewer images at once", "(tried 13 times in ",
		},
	},
	"429 for ever to a tag": {
		inject(http.MethodPut, byTag, 0, tooManyRequests),
		[]string{"tagging HOST/app:1: 429 rate limited: Rate exceeded", "(tried 13 times in "},
	},
	"429 of AWS": {func(_ *testing.T, f faultyRegistry) {
		f.Inject(registrytest.Rule{Operation: "DescribeRepositories", Times: 2, Fault: tooManyRequests})
	}, nil},
	"500 to PUT of a blob":       {inject(http.MethodPut, uploads, 3, internalError), nil},
	"500 to PUT of a manifest":   {inject(http.MethodPut, byDigest, 3, internalError), nil},
	"500 to PUT of a tag":        {inject(http.MethodPut, byTag, 5, internalError), nil},
	"reset before a blob":        {inject(http.MethodPut, uploads, 2, registrytest.Reset(0)), nil},
	"reset in a blob":            {inject(http.MethodPut, uploads, 2, registrytest.Reset(20)), nil},
	"reset in a manifest":        {inject(http.MethodPut, byDigest, 2, registrytest.Reset(20)), nil},
	"reset in reading it back":   {inject(http.MethodGet, byDigest, 3, registrytest.ResetAnswer(20)), nil},
	"reset after a tag moved":    {inject(http.MethodPut, byTag, 1, registrytest.ResetAnswer(0)), nil},
	"slow":                       {inject(http.MethodPut, uploads, 1, delay), nil},
	"silence after a manifest":   {inject(http.MethodPut, byDigest, 1, registrytest.Stall), nil},
	"silence after a tag":        {inject(http.MethodPut, byTag, 1, registrytest.Stall), nil},
	"silence at reading it back": {inject(http.MethodGet, byDigest, 1, registrytest.Stall), nil},
	"a blob is lost once":        {inject(http.MethodPut, uploads, 1, registrytest.Lose), nil},
	"a manifest is lost": {
		inject(http.MethodPut, byDigest, 0, registrytest.Lose), []string{"verifying HOST/app@sha256:", "not found"},
	},
	"a tag is lost": {
		inject(http.MethodPut, byTag, 0, registrytest.Lose), []string{
			"tagging HOST/app:1: content mismatch: it holds ",
		},
	},
	"another digest is promised": {
		inject(http.MethodPut, byDigest, 0, registrytest.Digest(zeros)),
		[]string{"pushing to HOST/app: content mismatch: got digest " + zeros},
	},
	"another digest is read": {
		inject(http.MethodGet, byDigest, 0, registrytest.Digest(zeros)),
		[]string{"verifying HOST/app@sha256:", "content mismatch: the registry calls "},
	},
	"no digest is promised": {inject("", "/manifests/", 0, dropDigestHeader), nil},
	"other bytes are read": {
		inject(http.MethodGet, byDigest, 0, answerOtherBytes),
		[]string{"verifying HOST/app@sha256:", "content mismatch"},
	},
	"401 once":                   {inject(http.MethodPut, uploads, 1, refuseWithoutChallenge), nil},
	"401 to a manifest, once":    {inject(http.MethodPut, byDigest, 1, refuseWithoutChallenge), nil},
	"401 to a tag, once":         {inject(http.MethodPut, byTag, 1, refuseWithoutChallenge), nil},
	"403 expired, once":          {inject(http.MethodPut, uploads, 1, expiredToken), nil},
	"403 expired to a tag, once": {inject(http.MethodPut, byTag, 1, expiredToken), nil},
	"403 expired for ever": {
		inject(http.MethodPut, uploads, 0, expiredToken),
		[]string{
			"pushing to HOST/app: 401 unauthorized: Your authorization token has expired",
			"HOST refused the credentials",
		},
	},
	"no upload": {
		deny("ecr:InitiateLayerUpload"),
		[]string{"pushing to HOST/app: 403 denied: ", "allow ecr:InitiateLayerUpload in the IAM policy"},
	},
	"no manifests": {
		deny("ecr:PutImage"), []string{"pushing to HOST/app: 403 denied: ", "allow ecr:PutImage in the IAM policy"},
	},
	"no reading back": {
		deny("ecr:BatchGetImage"), []string{"HOST/app", "403 denied: ", "allow ecr:BatchGetImage in the IAM policy"},
	},
	"no key": {
		inject(http.MethodPut, uploads, 0, disabledKey), []string{"KmsException", "kms:GenerateDataKey"},
	},
	"a policy of the organization": {
		inject(http.MethodPut, byDigest, 0, organizationPolicy),
		[]string{"a policy of your AWS organization forbids it"},
	},
	"no token": {deny("ecr:GetAuthorizationToken"), []string{"allow ecr:GetAuthorizationToken in the IAM policy"}},
	"Harbor's quota": {
		inject(http.MethodPut, byDigest, 0, registrytest.Status(http.StatusForbidden, "DENIED", harborQuota, "")),
		[]string{
			"pushing to HOST/app: over a quota: adding 1.2 MiB of storage",
			"other credentials do not help: delete old images there",
		},
	},
	"413 of a proxy": {inject(http.MethodPut, uploads, 0, proxyError(http.StatusRequestEntityTooLarge)),
		[]string{"pushing to HOST/app: 413 too large: request entity too large; ", "nginx: client_max_body_size 0"}},
	"415": {inject(http.MethodPut, byDigest, 0, proxyError(http.StatusUnsupportedMediaType)),
		[]string{
			"pushing to HOST/app: manifest refused: unsupported media type; ",
			"exports: [{ image: { ociMediaTypes: false } }]",
		}},
	"no OCI": {
		inject(http.MethodPut, byDigest, 0,
			registrytest.Status(http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", "")),
		[]string{
			"pushing to HOST/app: manifest refused: manifest invalid; ",
			"exports: [{ image: { ociMediaTypes: false } }]",
		},
	},
	"no OCI tag": {
		inject(http.MethodPut, byTag, 0,
			registrytest.Status(http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", "")),
		[]string{
			"tagging HOST/app:1: manifest refused: manifest invalid; ",
			"exports: [{ image: { ociMediaTypes: false } }]",
		},
	},
	"the registry's disk is full": {
		inject(http.MethodPut, uploads, 0, registrytest.Status(http.StatusInternalServerError, "UNKNOWN",
			"write x: no space left on device", "")),
		[]string{
			"pushing to HOST/app: the registry has no space left: write x: no space left on device; ",
			"not that of the builder: free space there",
		},
	},
	"read-only": {
		inject(http.MethodPut, byDigest, 0, registrytest.Status(http.StatusMethodNotAllowed, "UNSUPPORTED",
			"The operation is unsupported.", "")),
		[]string{"pushing to HOST/app: unsupported by the registry; the registry takes no push"},
	},
	"ECR's limit": {
		inject(http.MethodPut, byTag, 0, registrytest.Status(http.StatusForbidden, "DENIED",
			"it has the maximum allowed number of tags", "")),
		[]string{"tagging HOST/app:1: over a limit: ", "have AWS raise the quota"},
	},
	"somebody else moves the tag": {func(t *testing.T, f faultyRegistry) {
		moved := registrytest.Image(t, "linux/amd64")
		f.Inject(registrytest.Rule{
			Method: http.MethodGet, Path: byTag, Times: 1,
			Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				f.Push(t, "app:1", moved)
				next.ServeHTTP(w, req)
			},
		})
	}, []string{
		"tagging HOST/app:1: content mismatch: it holds sha256:", "somebody else moved it meanwhile; try again",
	}},
}

// A push succeeds in spite of a fault, or its error has a remedy. After an error the tag holds the old image. No
// message shows a token or a key.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := 20 * time.Second // a busy machine answers late: only silence is to be taken for it
			if strings.HasPrefix(name, "silence") {
				limit = 2 * time.Second
			}
			f := newFaultyRegistryWithin(t, limit)
			fault.meet(t, f)
			out, err := f.apply(t, "FROM scratch", f.Host()+"/app:1")
			f.checkResult(t, name, out, err, fault.want)
		})
	}
}
