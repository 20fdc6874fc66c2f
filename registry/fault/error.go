package fault

// Error is a failure with the facts that a remedy needs. Its text is the cause, without a remedy.
type Error struct {
	Kind       Kind
	Host       string // most often that of the registry
	Repository string // without host
	Label      string // of the tag
	Digest     string // of the image, where no tag is meant
	Amazon     bool   // the registry belongs to Amazon ECR
	Daemon     bool   // a daemon, and not this process, talked to the registry

	Action, Profile, Role, Region, Clock string // of AWS
	Program, Address                     string // of a credential helper
	Proposal                             string // of a tag

	Text string
	// Reason is another failure that led to this one. errors.Is does not look at it.
	Reason error

	causes []error // for errors.Is
}

// New returns an error of a kind with this text. errors.Is finds each of the causes in it.
func New(kind Kind, text string, causes ...error) *Error {
	return &Error{Kind: kind, Text: text, causes: causes}
}

// Error returns the cause.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the causes.
func (e *Error) Unwrap() []error { return e.causes }
