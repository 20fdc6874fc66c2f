package registry

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// errorClass is a class of error answers: the status, the code or the phrase is enough. A method or a list of statuses narrows it.
type errorClass struct {
	is     error
	method string
	within []int
	status int
	code   transport.ErrorCode
	phrase string
	// pattern is as good as phrase, where registries word it in several ways.
	pattern *regexp.Regexp
	fault   Fault
	// needsLogin: without credentials the fault is that there are none.
	needsLogin bool
}

// missing are the statuses of answers about what is not there.
var missing = []int{http.StatusNotFound, http.StatusBadRequest}

// errorClasses are asked in this order: what is said in words is more exact than the code, and the code than the status.
var errorClasses = []errorClass{
	{is: ErrUnauthorized, phrase: "authorization token has expired", fault: CredentialsRefused, needsLogin: true},
	{is: ErrDenied, phrase: "is not authorized to perform", fault: ActionDenied},
	{is: ErrDenied, phrase: "BlockedByOrganizationPolicy", fault: OrganizationPolicy},
	{is: ErrDenied, phrase: "KmsException", fault: KeyDenied},
	{
		is: ErrNoRepository, within: missing, phrase: "RepositoryNotFoundException", code: transport.NameUnknownErrorCode,
		fault: RepositoryMissing,
	},
	// Daemons do not tell the code.
	{is: ErrNoRepository, within: missing, phrase: "does not exist in the registry with id", fault: RepositoryMissing},
	// Only a PUT can fail for it; elsewhere the word is part of somebody's tag.
	{is: ErrImmutableTag, method: http.MethodPut, phrase: "immutab", fault: TagFixed},
	{is: ErrLimit, pattern: limitWords, fault: LimitReached},
	{is: ErrQuota, pattern: quotaWords, fault: QuotaReached},
	{is: ErrTooLarge, status: http.StatusRequestEntityTooLarge, pattern: tooLargeWords, fault: RequestTooLarge},
	{is: ErrNoStorage, status: http.StatusInsufficientStorage, pattern: noStorageWords, fault: StorageFull},
	{is: ErrReadOnly, pattern: readOnlyWords, fault: ReadOnly},
	{
		is: ErrManifestRefused, method: http.MethodPut, status: http.StatusUnsupportedMediaType,
		code: transport.ManifestInvalidErrorCode, pattern: manifestWords, fault: ManifestRefused,
	},
	{
		is: ErrRateLimited, status: http.StatusTooManyRequests, code: transport.TooManyRequestsErrorCode,
		fault: RateLimited,
	},
	{is: ErrUnreachable, status: http.StatusProxyAuthRequired, fault: ProxyRefused},
	// Older registries take a digest here and nothing else.
	{is: ErrUnsupported, method: http.MethodDelete, code: transport.DigestInvalidErrorCode, fault: RequestNotOffered},
	{
		is: ErrUnsupported, status: http.StatusMethodNotAllowed, code: transport.UnsupportedErrorCode,
		fault: RequestNotOffered,
	},
	// It comes without words.
	{is: ErrDenied, method: http.MethodHead, status: http.StatusForbidden, fault: ReadDenied, needsLogin: true},
	{
		is: ErrDenied, status: http.StatusForbidden, code: transport.DeniedErrorCode, fault: AccessDenied,
		needsLogin: true,
	},
	{
		is: ErrUnauthorized, status: http.StatusUnauthorized, code: transport.UnauthorizedErrorCode,
		fault: CredentialsRefused, needsLogin: true,
	},
}

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
func (r refusal) class() (errorClass, bool) {
	i := slices.IndexFunc(errorClasses, r.is)
	if i < 0 {
		return errorClass{}, false
	}
	return errorClasses[i], true
}

func (r refusal) is(a errorClass) bool {
	if a.method != "" && r.method != "" && a.method != r.method || a.within != nil && r.status != 0 && !slices.Contains(a.within, r.status) {
		return false
	}
	return a.status != 0 && a.status == r.status ||
		a.code != "" && slices.Contains(r.codes, a.code) ||
		a.phrase != "" && strings.Contains(r.words, a.phrase) ||
		a.pattern != nil && a.pattern.MatchString(r.words)
}
