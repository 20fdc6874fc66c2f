package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// input says what one input of Image means. Every list of inputs is derived from the table of them.
type input struct {
	name string

	// equal compares the applied value with the new one. If they differ, the image is updated. It is nil for an input
	// that never causes an update.
	equal func(applied, wanted property.Map, key string) bool
	// hash returns the fields of the inputs hash: none if the input is not set. It is nil for an input that does not
	// shape the image.
	hash func(ImageArgs) []string
	// files and bases say how much must be known to predict the files and the base images that the build reads.
	files, bases need
	// builds: a preview must know the input to build.
	builds bool
	// delivers: the input decides whether somebody gets the image.
	delivers bool
	// computed: Check fills the input in.
	computed bool
	// public is why the value cannot be a secret, and what to do instead. It is "" if the value can be a secret.
	public string

	why string // of equal: why a change is a reason to update, or is none
	// hidden is why no output repeats the input. It is "" if an output does.
	hidden string
}

// need is how much of an input must be known.
type need int

// The needs; each includes those before it.
const (
	needNothing need = iota
	needKeys         // which keys it has
	needValue        // all of it
	needValid        // all of it, and Check found nothing wrong with it
)

// inputTable lists every input once. The fields of the inputs hash have this order, so another order would change every
// hash. A new input comes last, and adds no field unless it is set.
var inputTable = []input{
	{
		name: "contextHash", equal: equal, hash: hashContextHash, builds: true, computed: true,
		why: "the build reads other files",
	},
	{
		name: "target", equal: equalTexts, hash: hashTarget, files: needValid, bases: needValue, builds: true,
		why: "another stage is another image",
	},
	{
		name: "platforms", equal: equalPlatforms, hash: hashPlatforms, files: needValid, bases: needValue, builds: true,
		why: "the index has an image for each",
	},
	{
		name: "buildArgs", equal: equal, hash: hashBuildArgs, files: needKeys, bases: needKeys, builds: true,
		why: "steps read them",
		public: "a build argument can be read in the image's history and provenance, so it cannot be a secret: " +
			"give it in secrets and mount it in the step that needs it (RUN --mount=type=secret,id=…), " +
			"or say that it is not a secret (unsecret)",
	},
	{
		name: "labels", equal: equal, hash: hashLabels, builds: true,
		why: "they are part of the image",
		public: "a label can be read by everybody who has the image, so it cannot be a secret: " +
			"take it from a plain value, or say that it is not a secret (unsecret)",
	},
	{
		name: "annotations", equal: equal, hash: hashAnnotations, builds: true,
		why: "they are part of the image",
		public: "an annotation can be read by everybody who can see the image, so it cannot be a secret: " +
			"take it from a plain value, or say that it is not a secret (unsecret)",
	},
	{
		name: "testTargets", equal: equalSets, hash: hashTestTargets, files: needValid, bases: needValue, builds: true,
		why: "an image counts as tested by all of them",
	},
	{
		name: "addHosts", equal: equal, hash: hashHosts, builds: true,
		why: "steps see them",
	},
	{
		name: "network", equal: equalNetwork, hash: hashNetwork, builds: true,
		why: "steps see it",
	},
	{
		name: "baseDigests", equal: equal, hash: hashBaseDigests, builds: true, computed: true,
		why: "the image is made of other base images",
	},
	{
		name: "sourceDateEpoch", equal: equal, hash: hashEpoch, builds: true,
		why: "it is the time of the image and of its files",
	},
	{
		name: "provenance", equal: equal, hash: hashProvenance, builds: true,
		why: "it is attached to the image",
	},
	{
		name: "sbom", equal: equal, hash: hashSBOM, builds: true,
		why: "it is attached to the image",
	},
	{
		name: "exports", equal: equalExports, hash: hashImageOptions, builds: true, delivers: true,
		why: "only a build writes them, and some say how the image is written",
		public: "exports are repeated in the outputs, and annotations in them can be read by everybody who can see " +
			"the image, so that nothing in them can be a secret: take it from a plain value, or say that it is none " +
			"(unsecret)",
	},
	{
		name: "load", equal: equalFlag, hash: hashNothing, builds: true, delivers: true,
		why: "only a build loads it",
	},

	{
		name: "tags", equal: equalSets, delivers: true,
		why: "they name the image, and are moved without a build",
		public: "a tag is seen wherever the image is, so it cannot be a secret: " +
			"take it from a plain value, or say that it is not a secret (unsecret)",
	},
	{name: "push", equal: equalPush, delivers: true, why: "it says whether the tags are written"},

	{
		name: "context", files: needValid, bases: needValue, builds: true,
		why: "a folder can move without a change; contextHash is the hash of what is in it",
	},
	{
		name: "dockerfile", files: needValid, bases: needValue, builds: true,
		why: "its text is part of contextHash; its place does not change the image",
	},
	{name: "watch", files: needValid, builds: true, why: "its effect shows in contextHash"},
	{name: "pull", files: needValue, builds: true, why: "its effect shows in contextHash and baseDigests"},
	{
		name: "secrets", builds: true, why: "another secret does not make another image",
		hidden: "outputs hold no secrets",
	},
	{
		name: "secretSources", builds: true, why: "another place of a secret does not make another image",
		hidden: "nobody else needs to know where secrets are",
	},
	{
		name: "ssh", builds: true, why: "another key does not make another image",
		hidden: "nobody else needs to know where keys are",
	},
	{name: "limits", builds: true, why: "a limit says how steps run, not what they make"},
	{name: "noCache", builds: true, why: "it says how to build, not what; it would be a reason only once"},
	{name: "builder", builds: true, why: "the same inputs are the same image on every builder"},
	{name: "buildOnPreview", builds: true, why: "it is only about previews"},
	{name: "cacheFrom", why: "a cache does not change what is built"},
	{name: "cacheTo", why: "a cache for other builds is not part of this image"},
	{
		name: "registries", why: "credentials are looked up when they are needed",
		hidden: "outputs hold no credentials",
	},
	{name: "pushTimeout", why: "how long a push is retried does not change the image"},
	{name: "allow", builds: true, why: "it permits what the Dockerfile asks for, which shows in contextHash"},
	{name: "noCacheFilter", builds: true, why: "it says how to build, not what; it would be a reason only once"},
	{name: "exec", why: "it has no effect"},
	{name: "ignoreSecretsInDiffCalculation", why: "it has no effect"},
	{name: "volatileArgs", builds: true, why: "says when to build, not what; see withoutVolatile"},
	{name: "watchSecrets", builds: true, why: "the secrets that it names are compared; see changedSecrets"},
	{name: "cacheMounts", why: "the content of cache mounts does not change what is built"},
}

// The lists that the provider needs.
var (
	// watchedInputs are those of which a change is an update.
	watchedInputs = inputsThat(func(in input) bool { return in.equal != nil })
	// otherOutputs are those that are not watched, and that the outputs repeat as of the last update.
	otherOutputs = inputsThat(func(in input) bool { return in.equal == nil && in.hidden == "" })
	// imageInputs shape the image, or what is left beside it.
	imageInputs = inputsThat(func(in input) bool { return in.hash != nil })
	// buildInputs are those that a preview must know to build. Tags, logins and caches are not among them: the same
	// update may create the repository.
	buildInputs = inputsThat(func(in input) bool { return in.builds })
	// computedInputs are those that Check fills in.
	computedInputs = inputsThat(func(in input) bool { return in.computed })
	// deliveryInputs decide whether somebody gets the image.
	deliveryInputs = inputsThat(func(in input) bool { return in.delivers })
	// filesInputs must be valid, or the files that a build reads cannot be found.
	filesInputs = inputsThat(func(in input) bool { return in.files == needValid })
	// publicInputs are those that everybody with the image can read.
	publicInputs = inputsThat(func(in input) bool { return in.public != "" })
)

// inputsThat returns the names of the chosen inputs, in the order of the table.
func inputsThat(chosen func(input) bool) (names []string) {
	for _, in := range inputTable {
		if chosen(in) {
			names = append(names, in.name)
		}
	}
	return names
}

// inputNamed returns the input of a name. The table must have it.
func inputNamed(name string) input {
	i := slices.IndexFunc(inputTable, func(in input) bool { return in.name == name })
	return inputTable[i]
}

// filesNeed returns how much of an input must be known to predict the files that a build reads.
func filesNeed(in input) need { return in.files }

// basesNeed returns how much of an input must be known to predict the base images.
func basesNeed(in input) need { return in.bases }

// meets tells whether enough is known of each input.
func meets(inputs property.Map, needOf func(input) need) bool {
	for _, in := range inputTable {
		value := inputs.Get(in.name)
		if need := needOf(in); need >= needKeys && value.IsComputed() || need >= needValue && value.HasComputed() {
			return false
		}
	}
	return true
}
