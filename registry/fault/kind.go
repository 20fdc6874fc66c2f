package fault

// Kind is a kind of failure. Each has a remedy of its own, which package provider knows.
type Kind int

// The kinds of failures of connections and of whole registries.
const (
	Unexplained          Kind = iota
	Unreachable               // nothing answers at Host
	Silent                    // Host does not answer in time
	UnknownHost               // DNS has no address for Host
	BrokenConnection          // the connection ends, or carries nothing
	BrokenServer              // Host answers 5xx
	ProxyRefused              // a proxy does not let us through
	ExpiredCertificate        // or the clock is wrong
	UntrustedCertificate      // no trusted authority signed the certificate of Host
	PlainHTTP                 // Host speaks plain http
	PlainHTTPRefused          // a request to Host would need plain http, and the user did not allow it
	UnnamedHost               // the registry sends us to Host, and the user did not name Host
	NotARegistry              // Host does not answer as a registry does
	CAFile                    // the file of authorities cannot be used
	CAFileLink                // the file of authorities is a link that leads elsewhere
)

// The kinds of what a registry refuses.
const (
	NoCredentials      Kind = iota + 100 // this machine has none for Host
	CredentialsRefused                   // Host refused those that it was given
	AccessDenied                         // these credentials may not use Repository
	ReadDenied                           // the same, without a word, for a HEAD
	ActionDenied                         // IAM does not allow Action
	OrganizationPolicy                   // a policy of the AWS organization forbids it
	KeyDenied                            // these credentials may not use the KMS key of Repository
	RepositoryMissing                    // Repository does not exist
	TagFixed                             // the tag holds another image, and may not move
	TagFixedUnserved                     // the same, and the registry does not serve that image
	TagInUse                             // the tag is the last one of an image that an index refers to
	TagsNotDeleted                       // Host deletes no tags
	LimitReached                         // Amazon ECR holds no more tags or images there
	QuotaReached                         // the owner of Repository may store no more
	RequestTooLarge                      // a proxy before the registry may say so, too
	StorageFull                          // the disk of the registry is full
	ReadOnly                             // the registry takes no push now
	ManifestRefused                      // the registry does not take manifests of this form
	RequestNotOffered                    // the registry cannot do this for anybody
	RateLimited                          // too many requests
)

// The kinds of wrong or missing content.
const (
	ContentOther    Kind = iota + 200 // the registry serves other bytes than it should
	ContentLost                       // the registry does not have what it was given
	TagLost                           // the registry took the tag and does not serve it
	TagTaken                          // somebody else moved the tag meanwhile
	ImageOther                        // the image has other parts than the build asked for
	NotAnImage                        // the digest is of something else
	ImageGone                         // Amazon ECR does not list the image
	ImageArchived                     // Amazon ECR lists the image, and does not serve it
	ImageMaybe                        // these credentials may not ask whether the image is archived
	ImageUnserved                     // the image may come back by itself
	PlatformMissing                   // no source of an index has an image for a platform
	PlatformTwice                     // two sources of an index have different images for a platform
)

// The kinds of failed logins.
const (
	HelperMissing  Kind = iota + 300 // Program is not installed
	HelperSilent                     // Program does not answer
	HelperFailed                     // Program fails for Address
	HelperEndless                    // Program prints too much
	HelperGarbled                    // Program does not answer as helpers do
	DockerConfig                     // config.json cannot be read
	DockerAuth                       // DOCKER_AUTH_CONFIG cannot be read
	AzureRefused                     // Azure gives no token
	NoStoredLogin                    // AWS gives no login, and config.json has none
	AWSProfile                       // ~/.aws has no Profile
	AWSSSO                           // the SSO session of Profile has ended
	AWSSession                       // the login session of Profile has ended
	AWSNothing                       // AWS credentials are nowhere
	AWSProcess                       // the credential_process of Profile fails
	AWSFactor                        // Profile wants a second factor
	AWSExpired                       // the credentials have expired
	AWSClock                         // the clock of this machine is wrong, as Clock says
	AWSKey                           // the access key is wrong
	AWSTrust                         // the trust policy of Role does not let us in
	AWSUnreachable                   // nothing answers at Host
	AWSRegion                        // the same, maybe because Region does not exist
	AWSBroken                        // AWS answers 5xx
	AWSOther                         // something else answers in the place of AWS
	AWSTokenFormat                   // the token does not have the form of one
)

// The kinds of mistakes in what the user wrote as a tag.
const (
	TagText      Kind = iota + 400 // Proposal may be what the user meant
	TagInvisible                   // the tag has a character that cannot be seen
	TagLogin                       // the tag has a login in it
	TagBare                        // the tag has no host and no user; Proposal is its last part
	TagLong                        // the label has too many characters
	TagPath                        // the path is too long or not a path
)
