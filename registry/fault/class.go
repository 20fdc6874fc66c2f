package fault

import (
	"net/http"
	"regexp"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Class is a class of error answers. The status, the code or the phrase is enough to belong to it; a method or a list
// of statuses narrows it.
type Class struct {
	Sentinel error
	Kind     Kind
	// NeedsLogin: callers without credentials only need some.
	NeedsLogin bool

	method string
	within []int // statuses
	status int
	code   transport.ErrorCode
	phrase string
	// pattern is as good as phrase, where registries word it in several ways.
	pattern *regexp.Regexp
}

// missing holds the statuses of answers about what is not there.
var missing = []int{http.StatusNotFound, http.StatusBadRequest}

// classes are asked in this order: what is said in words is more exact than the code, and the code than the status.
var classes = []Class{
	{Sentinel: ErrUnauthorized, phrase: "authorization token has expired", Kind: CredentialsRefused, NeedsLogin: true},
	{Sentinel: ErrDenied, phrase: "is not authorized to perform", Kind: ActionDenied},
	{Sentinel: ErrDenied, phrase: "BlockedByOrganizationPolicy", Kind: OrganizationPolicy},
	{Sentinel: ErrDenied, phrase: "KmsException", Kind: KeyDenied},
	{
		Sentinel: ErrNoRepository, within: missing, phrase: "RepositoryNotFoundException",
		code: transport.NameUnknownErrorCode, Kind: RepositoryMissing,
	},
	// Daemons do not tell the code.
	{
		Sentinel: ErrNoRepository, within: missing, phrase: "does not exist in the registry with id",
		Kind: RepositoryMissing,
	},
	// Only a PUT can fail for it; elsewhere the word is part of somebody's tag.
	{Sentinel: ErrImmutableTag, method: http.MethodPut, phrase: "immutab", Kind: TagFixed},
	{Sentinel: ErrLimit, pattern: limitWords, Kind: LimitReached},
	{Sentinel: ErrQuota, pattern: quotaWords, Kind: QuotaReached},
	{Sentinel: ErrTooLarge, status: http.StatusRequestEntityTooLarge, pattern: tooLargeWords, Kind: RequestTooLarge},
	{Sentinel: ErrNoStorage, status: http.StatusInsufficientStorage, pattern: noStorageWords, Kind: StorageFull},
	{Sentinel: ErrReadOnly, pattern: readOnlyWords, Kind: ReadOnly},
	{
		Sentinel: ErrManifestRefused, method: http.MethodPut, status: http.StatusUnsupportedMediaType,
		code: transport.ManifestInvalidErrorCode, pattern: manifestWords, Kind: ManifestRefused,
	},
	{
		Sentinel: ErrRateLimited, status: http.StatusTooManyRequests, code: transport.TooManyRequestsErrorCode,
		Kind: RateLimited,
	},
	{Sentinel: ErrUnreachable, status: http.StatusProxyAuthRequired, Kind: ProxyRefused},
	// Older registries take a digest here and nothing else.
	{
		Sentinel: ErrUnsupported, method: http.MethodDelete, code: transport.DigestInvalidErrorCode,
		Kind: RequestNotOffered,
	},
	{
		Sentinel: ErrUnsupported, status: http.StatusMethodNotAllowed, code: transport.UnsupportedErrorCode,
		Kind: RequestNotOffered,
	},
	// It comes without words.
	{Sentinel: ErrDenied, method: http.MethodHead, status: http.StatusForbidden, Kind: ReadDenied, NeedsLogin: true},
	{
		Sentinel: ErrDenied, status: http.StatusForbidden, code: transport.DeniedErrorCode, Kind: AccessDenied,
		NeedsLogin: true,
	},
	{
		Sentinel: ErrUnauthorized, status: http.StatusUnauthorized, code: transport.UnauthorizedErrorCode,
		Kind: CredentialsRefused, NeedsLogin: true,
	},
}
