package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// describeDockerBuild documents inputs of docker-build that mean nothing here, so that programs need not change.
func describeDockerBuild(a *ImageArgs, an infer.Annotator) {
	an.Describe(&a.Exec, "Without effect, for programs that were written for docker-build: there it runs the command "+
		"`docker buildx build`. The plugin connects to the builder itself. True gives a warning. Defaults to false.")
	an.Describe(&a.IgnoreSecrets, "Without effect, for programs that were written for docker-build: there it lists "+
		"secrets that cause no build when they change. Here no secret causes one.")
}

// checkExec warns that nothing is run.
func checkExec(c *checker) {
	if deref(c.args.Exec) && isKnown(c.raw, "exec") {
		c.warn("exec: it has no effect, because the plugin runs no docker buildx: it connects to the builder that " +
			"builder, host or the environment names, or that docker buildx use has chosen. Leave it out")
	}
}
