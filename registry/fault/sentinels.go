package fault

import "errors"

// What a registry may answer. Ask with errors.Is. The texts around them name the reference and the registry's words; an
// *Error among them has the facts that a remedy needs.
var (
	// ErrNotFound: the registry knows its repositories and says that this manifest or tag is not there. The only
	// "gone".
	ErrNotFound = errors.New("not found")
	// ErrNoRepository: the repository itself is not there, hence nothing in it. It is an ErrNotFound too. Some
	// registries say ErrNotFound alone in this case.
	ErrNoRepository error = noRepository{}
	// ErrArchived: the registry lists the image and does not serve it until somebody restores it. It is not gone.
	ErrArchived = errors.New("archived")
	// ErrUndetermined: the registry does not serve the image, and we may not ask whether it is archived or gone.
	ErrUndetermined = errors.New("it is archived or gone, which is not known")
	// ErrUnauthorized: there are no credentials, or they are wrong or expired.
	ErrUnauthorized = errors.New("401 unauthorized")
	// ErrDenied: the credentials are good and may not do this.
	ErrDenied = errors.New("403 denied")
	// ErrImmutableTag: the tag holds another digest and the registry does not let it move.
	ErrImmutableTag = errors.New("immutable tag")
	// ErrInUse: the registry keeps what something else in it refers to.
	ErrInUse = errors.New("in use")
	// ErrLimit: Amazon ECR holds no more tags or images there. Waiting does not help.
	ErrLimit = errors.New("over a limit")
	// ErrQuota: the repository's owner has used up the storage. Waiting does not help.
	ErrQuota = errors.New("over a quota")
	// ErrTooLarge: the registry, or most often a proxy before it, takes no request of this size.
	ErrTooLarge = errors.New("413 too large")
	// ErrManifestRefused: the registry takes no manifest of this form, such as one of OCI.
	ErrManifestRefused = errors.New("manifest refused")
	// ErrNoStorage: the registry's own disk is full.
	ErrNoStorage = errors.New("the registry has no space left")
	// ErrReadOnly: the registry takes no push from anybody now.
	ErrReadOnly = errors.New("read-only registry")
	// ErrUnsupported: the registry cannot do this for anybody.
	ErrUnsupported = errors.New("unsupported by the registry")
	// ErrRateLimited: too many requests, also after retries.
	ErrRateLimited = errors.New("429 rate limited")
	// ErrUnreachable: no answer, for reasons of DNS, network, TLS or time.
	ErrUnreachable = errors.New("unreachable")
	// ErrUnsure: neither the answer to the write of a tag nor a look at the tag told whether it moved. It comes with
	// the error that says why.
	ErrUnsure = errors.New("whether it moved is not known")
	// ErrMismatch: the registry serves other content than it promised or was given.
	ErrMismatch = errors.New("content mismatch")
)

// noRepository is the type of ErrNoRepository.
type noRepository struct{}

// Error names the failure.
func (noRepository) Error() string { return "no such repository" }

// Is makes a repository that is gone as good as a tag that is gone.
func (noRepository) Is(target error) bool { return target == ErrNotFound }
