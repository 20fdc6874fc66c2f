package provider

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

func describeSecrets(a *ImageArgs, an infer.Annotator) {
	an.Describe(&a.Secrets, "Secrets that steps of the Dockerfile can mount, by their id: `RUN "+
		"--mount=type=secret,id=npm …`. During a build they stay in memory, and they are no part of the image. "+
		"The output of a step shows them as `[secret]`. The state keeps them encrypted, like every secret input; "+
		"`secretSources` keeps them out of it. A change causes a build only if `watchSecrets` has the id.")
	an.Describe(&a.SecretSources, "Secrets like `secrets`, of which the program gives only the place: an "+
		"environment variable or a file. The plugin reads them when a build starts, so no state has the values. "+
		"A change never causes a build.")
	an.Describe(&a.WatchSecrets, "Ids of `secrets` whose change causes a build, because what they hold shows in the "+
		"image. Such a build runs every step again, as with `noCache`: a step in the builder's cache was made with "+
		"the old secret. No hash covers a secret, so an image that another stack pushed to a tag with `{hash}` is "+
		"used whatever its secrets were. A secret of `secretSources` cannot be watched, because no state has its "+
		"value. Empty by default.")
}

// SecretSource is the place of a secret, which is read when a build starts.
type SecretSource struct {
	Env  *string `pulumi:"env,optional"`
	File *string `pulumi:"file,optional"`
}

// Annotate documents the type.
func (s *SecretSource) Annotate(an infer.Annotator) {
	an.Describe(s, "Where to read a secret when a build starts: either `env` or `file`.")
	an.Describe(&s.Env, "Name of an environment variable of the Pulumi program.")
	an.Describe(&s.File, "Path of a file, relative to the program. The secret is its content, with line breaks.")
}

// read reads the secret. The error names its place.
func (s SecretSource) read(ctx context.Context) (value []byte, err error) {
	place := "the file " + deref(s.File)
	if s.Env == nil {
		value, err = file.Project(projectFolder()).ReadNamed(ctx, *s.File, file.LimitSecret)
		err = withTarget(err, "secretSources")
	} else {
		text, set := os.LookupEnv(*s.Env)
		if place = "the environment variable " + *s.Env; !set {
			return nil, fmt.Errorf("%s is not set: set it where pulumi runs", place)
		}
		value = []byte(text)
	}
	if err == nil && len(value) == 0 {
		err = fmt.Errorf("%s is empty", place)
	}
	return value, err
}
