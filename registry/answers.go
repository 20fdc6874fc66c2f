package registry

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// answer is a class of error answers: the status, the code or the phrase is enough. A method or a list of statuses narrows it.
type answer struct {
	is     error
	method string
	within []int
	status int
	code   transport.ErrorCode
	phrase string
	// pattern is as good as phrase, where registries word it in several ways.
	pattern *regexp.Regexp
	remedy  string
	// atECR is the remedy at Amazon ECR, where it is another.
	atECR string
	// needsLogin: without credentials the cure is to log in.
	needsLogin bool
}

// missing are the statuses of answers about what is not there.
var missing = []int{http.StatusNotFound, http.StatusBadRequest}

// answers are asked in this order: what is said in words is more exact than the code, and the code than the status. In a remedy, HOST,
// REPOSITORY and ACTION, which IAM does not allow, are replaced.
var answers = []answer{
	{
		is: ErrUnauthorized, phrase: "authorization token has expired",
		remedy: refusedRemedy, atECR: refusedRemedyECR, needsLogin: true,
	},
	{is: ErrDenied, phrase: "is not authorized to perform", remedy: "allow ACTION in the IAM policy of that user"},
	{
		is: ErrDenied, phrase: "BlockedByOrganizationPolicy",
		remedy: "a policy of your AWS organization forbids it; ask those who keep the policy",
	},
	{
		is: ErrDenied, phrase: "KmsException",
		remedy: "let that user use the KMS key of REPOSITORY: kms:GenerateDataKey and kms:Decrypt",
	},
	{
		is: ErrNoRepository, within: missing, phrase: "RepositoryNotFoundException", code: transport.NameUnknownErrorCode,
		remedy: noRepositoryRemedy, atECR: noRepositoryRemedyECR,
	},
	// Daemons do not tell the code.
	{is: ErrNoRepository, within: missing, phrase: "does not exist in the registry with id", remedy: noRepositoryRemedyECR},
	// Only a PUT can fail for it; elsewhere the word is part of somebody's tag.
	{
		is: ErrImmutableTag, method: http.MethodPut, phrase: "immutab",
		remedy: "use a tag that changes with its content, such as REPOSITORY:{hash}, or let the repository move tags",
	},
	{is: ErrLimit, pattern: limitWords},
	{is: ErrQuota, pattern: quotaWords},
	{is: ErrTooLarge, status: http.StatusRequestEntityTooLarge, pattern: tooLargeWords},
	{is: ErrNoStorage, status: http.StatusInsufficientStorage, pattern: noStorageWords},
	{is: ErrReadOnly, pattern: readOnlyWords},
	{
		is: ErrManifestRefused, method: http.MethodPut, status: http.StatusUnsupportedMediaType,
		code: transport.ManifestInvalidErrorCode, pattern: manifestWords,
	},
	{
		is: ErrRateLimited, status: http.StatusTooManyRequests, code: transport.TooManyRequestsErrorCode,
		remedy: "wait some minutes and try again, with fewer images at once",
	},
	{is: ErrUnreachable, status: http.StatusProxyAuthRequired, remedy: proxyRemedy},
	// Older registries take a digest here and nothing else.
	{is: ErrUnsupported, method: http.MethodDelete, code: transport.DigestInvalidErrorCode},
	{is: ErrUnsupported, status: http.StatusMethodNotAllowed, code: transport.UnsupportedErrorCode},
	// It comes without words.
	{
		is: ErrDenied, method: http.MethodHead, status: http.StatusForbidden, remedy: deniedRemedy, needsLogin: true,
		atECR: "allow ecr:BatchCheckLayerAvailability and ecr:BatchGetImage for REPOSITORY in the IAM policy of that user",
	},
	{
		is: ErrDenied, status: http.StatusForbidden, code: transport.DeniedErrorCode, remedy: deniedRemedy, needsLogin: true,
	},
	{
		is: ErrUnauthorized, status: http.StatusUnauthorized, code: transport.UnauthorizedErrorCode,
		remedy: refusedRemedy, atECR: refusedRemedyECR, needsLogin: true,
	},
}

const (
	anonymousRemedy       = "no credentials for HOST; log in with docker login or set registries"
	refusedRemedy         = "HOST refused the credentials; log in again with docker login HOST or correct registries"
	refusedRemedyECR      = "HOST refused the credentials; check its account and region, and docker login or registries if they are from there"
	noRepositoryRemedy    = "create REPOSITORY on HOST first, a push does not create it"
	noRepositoryRemedyECR = "create it with aws.ecr.Repository, or correct the account and the region in HOST"
	deniedRemedy          = "give the user of HOST access to REPOSITORY, or log in as another"
	proxyRemedy           = "correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY, here and at the builder"
	brokenRemedy          = "the fault is in HOST; try again later"
)

// refusal is an error answer of a registry, from an error of the HTTP client or from the words of a daemon, which often keeps the method
// and the status to itself.
type refusal struct {
	method string
	status int
	codes  []transport.ErrorCode
	// words are all that the registry wrote; said is what of it is fit for the user.
	words, said string
}

// class is the answer that a refusal is.
func (r refusal) class() (answer, bool) {
	i := slices.IndexFunc(answers, r.is)
	if i < 0 {
		return answer{}, false
	}
	return answers[i], true
}

func (r refusal) is(a answer) bool {
	if a.method != "" && r.method != "" && a.method != r.method || a.within != nil && r.status != 0 && !slices.Contains(a.within, r.status) {
		return false
	}
	return a.status != 0 && a.status == r.status ||
		a.code != "" && slices.Contains(r.codes, a.code) ||
		a.phrase != "" && strings.Contains(r.words, a.phrase) ||
		a.pattern != nil && a.pattern.MatchString(r.words)
}
