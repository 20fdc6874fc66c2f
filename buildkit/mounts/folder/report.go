package folder

// Program is the name of the program in the archives of the plugin, and in the step.
const Program = "pulumi-buildkit-mounts"

// Actions are the first argument of the program.
const (
	CheckAction   = "check"   // reports what the mount holds
	RestoreAction = "restore" // fills a mount that is empty
	SaveAction    = "save"    // packs the mount
)

// Folders of the step.
const (
	CacheFolder   = "/cache"   // the cache mount
	BaseFolder    = "/base"    // what the mount starts with; it does not exist for a mount that starts empty
	FromFolder    = "/from"    // the image with the cache that is restored
	OutFolder     = "/out"     // what the step makes
	SecretsFolder = "/secrets" // the secrets that must not travel
)

// ReportFile is the name of the report in the folder that the step makes.
const ReportFile = "report.json"

// Report is what a step tells the plugin.
type Report struct {
	// Empty: the mount holds what it starts with, and nothing else.
	Empty bool `json:"empty,omitempty"`
	// Base is a digest of what the mount starts with, without times; "" if it starts empty.
	Base string `json:"base,omitempty"`
	// Digest is of the paths, sizes and times of all that would be packed.
	Digest string `json:"digest,omitempty"`
	// Files and Bytes are of what was packed or restored, or would be packed.
	Files int   `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// LeftOut are the oldest files, which would exceed the size.
	LeftOut      int   `json:"leftOut,omitempty"`
	LeftOutBytes int64 `json:"leftOutBytes,omitempty"`
	// WithSecret are paths of files that were not packed, because a secret is in them.
	WithSecret []string `json:"withSecret,omitempty"`
	// Restored: the mount was empty, and holds the cache now.
	Restored bool `json:"restored,omitempty"`
	// Error is why the step could not do its work.
	Error string `json:"error,omitempty"`
}
