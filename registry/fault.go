package registry

import (
	"errors"
	"slices"
)

// Fault is a kind of failure. Each has a remedy of its own, which the caller knows.
type Fault int

// The faults of connections and of whole registries.
const (
	Unexplained          Fault = iota
	Unreachable                // nothing answers at Host
	Silent                     // it does not answer in time
	UnknownHost                // there is no address for Host
	BrokenConnection           // it ends, or nothing comes over it
	BrokenServer               // Host answers 5xx
	ProxyRefused               // a proxy does not let us through
	ExpiredCertificate         // or the clock is wrong
	UntrustedCertificate       // nobody who is trusted signed it
	PlainHTTP                  // Host speaks plain http
	PlainHTTPRefused           // Host is to be spoken to in plain http, and nobody allowed it
	UnnamedHost                // the registry sends us to Host, and nobody named that
	NotARegistry               // Host answers as no registry does
	CAFile                     // the file of authorities cannot be used
	CAFileLink                 // it is a link that leads elsewhere
)

// The faults of what a registry refuses.
const (
	NoCredentials      Fault = iota + 100 // there are none for Host
	CredentialsRefused                    // those for Host
	AccessDenied                          // to Repository
	ReadDenied                            // the same, without a word, for a HEAD
	ActionDenied                          // IAM does not allow Action
	OrganizationPolicy                    // of AWS, which forbids it
	KeyDenied                             // the KMS key of Repository may not be used
	RepositoryMissing
	TagFixed          // the tag holds something else, and may not move
	TagFixedUnserved  // the same, and what it holds is not served
	TagInUse          // it is the last one of an image that an index refers to
	TagsNotDeleted    // Host deletes none
	LimitReached      // of Amazon ECR
	QuotaReached      // of storage
	RequestTooLarge   // a proxy before it may say so
	StorageFull       // of the registry
	ReadOnly          // the registry takes no push now
	ManifestRefused   // its form is
	RequestNotOffered // the registry cannot do this for anybody
	RateLimited
)

// The faults of content.
const (
	ContentOther  Fault = iota + 200 // the registry serves other bytes than it should
	ContentLost                      // it does not have what it was given
	TagLost                          // it took a tag and does not serve it
	TagTaken                         // somebody else moved the tag meanwhile
	ImageOther                       // it is not what was asked for
	NotAnImage                       // it is something else
	ImageGone                        // Amazon ECR does not list it
	ImageArchived                    // it is listed, and not served
	ImageMaybe                       // whether it is archived these credentials may not ask
	ImageUnserved                    // it may come back by itself
)

// The faults of logins.
const (
	HelperMissing  Fault = iota + 300 // Program is not installed
	HelperSilent                      // Program does not answer
	HelperFailed                      // Program does, for Address
	HelperEndless                     // Program prints too much
	HelperGarbled                     // Program does not answer as helpers do
	DockerConfig                      // config.json cannot be read
	DockerAuth                        // DOCKER_AUTH_CONFIG cannot be read
	AzureRefused                      // gives no token
	NoStoredLogin                     // AWS gives no login, and config.json has none
	AWSProfile                        // there is no Profile
	AWSSSO                            // its session is over
	AWSSession                        // its login session is over
	AWSNothing                        // there are no credentials
	AWSProcess                        // the credential_process of Profile fails
	AWSFactor                         // Profile wants a second factor
	AWSExpired                        // credentials are
	AWSClock                          // of this machine, which Clock
	AWSKey                            // the access key is wrong
	AWSTrust                          // the trust policy of Role does not let us in
	AWSUnreachable                    // nothing answers at Host
	AWSRegion                         // the same, maybe because Region is none
	AWSBroken                         // it answers 5xx
	AWSOther                          // something else answers in its place
	AWSTokenFormat                    // something gave a token that is none
)

// The faults of what the user wrote as a tag.
const (
	TagText      Fault = iota + 400 // Proposal is what may have been meant
	TagInvisible                    // a character of it cannot be seen
	TagLogin                        // there is a login in it
	TagBare                         // it has no host and no user; Proposal is its last part
	TagLong                         // its label is
	TagPath                         // its path is
)

// Error is a failure with what there is to know about it. Its text is the cause, without a remedy.
type Error struct {
	Fault      Fault
	Host       string // that is meant, of the registry most often
	Repository string // without host
	Label      string // of the tag
	Digest     string // of the image, where no tag is meant
	Amazon     bool   // the registry is one of Amazon ECR
	Daemon     bool   // a daemon, and not this process, had to do with the registry

	Action, Profile, Role, Region, Clock string // of AWS
	Program, Address                     string // of a credential helper
	Proposal                             string // of a tag

	Text string
	// Reason is another failure that led to this one. It is not what errors.Is looks at.
	Reason error

	causes []error // for errors.Is
}

// Error returns the cause.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the errors that this one is.
func (e *Error) Unwrap() []error { return e.causes }

// newError returns an error of a kind with this text. It is each of the causes.
func newError(fault Fault, text string, causes ...error) *Error {
	return &Error{Fault: fault, Text: text, causes: causes}
}

// TagErrors are the failures of several tags.
type TagErrors struct{ Each []error }

// Error returns one line for each.
func (e *TagErrors) Error() string { return errors.Join(e.Each...).Error() }

// Unwrap returns them all.
func (e *TagErrors) Unwrap() []error { return e.Each }

// joinErrors returns the errors that are not nil: the only one, or a *TagErrors; nil if there is none.
func joinErrors(all []error) error {
	failures := slices.DeleteFunc(slices.Clone(all), func(err error) bool { return err == nil })
	switch len(failures) {
	case 0:
		return nil
	case 1:
		return failures[0]
	}
	return &TagErrors{Each: failures}
}
