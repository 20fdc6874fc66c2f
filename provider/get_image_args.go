package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// GetImageArgs are the arguments of getImage.
type GetImageArgs struct {
	Ref        string             `pulumi:"ref"`
	Registries []GetImageRegistry `pulumi:"registries,optional"`
}

// Annotate documents the arguments in the schema and in every SDK.
func (a *GetImageArgs) Annotate(an infer.Annotator) {
	an.Describe(&a.Ref, "The image: `host/repository:tag`, `host/repository@sha256:…`, or both. `alpine:3.20` is an "+
		"official image of Docker Hub.")
	an.Describe(&a.Registries, "Logins for registries, and how to reach them. For a host without a login here, the "+
		"plugin uses the provider's `registries`, then the credentials of the cloud or of Docker (`docker login`, "+
		"credential helpers).")
}

// logins returns the logins as those of an Image.
func (a GetImageArgs) logins() []Registry {
	var all []Registry
	for _, r := range a.Registries {
		all = append(all, Registry(r))
	}
	return all
}

// GetImageRegistry is a login for the function. In Java, a type cannot be both of a function and of a resource.
type GetImageRegistry Registry

// Annotate documents the type.
func (r *GetImageRegistry) Annotate(an infer.Annotator) {
	an.Describe(r, "A login for one registry host, and how to reach it. The login is sent to that host only.")
	an.Describe(&r.Address, "Host of the registry, such as `ghcr.io`.")
	an.Describe(&r.Username, "User name.")
	an.Describe(&r.Password, "Password or token.")
	an.Describe(&r.CAFile, "Path of a PEM file with the authorities that signed the certificate of the registry.")
	an.Describe(&r.Insecure, "Whether to read over plain HTTP, with the password. Registries on this machine need no "+
		"such permission. Defaults to false.")
}

// GetImageResult holds the results of getImage.
type GetImageResult struct {
	Ref         string                   `pulumi:"ref"`
	Digest      string                   `pulumi:"digest"`
	RepoDigest  string                   `pulumi:"repoDigest"`
	MediaType   string                   `pulumi:"mediaType"`
	Annotations map[string]string        `pulumi:"annotations"`
	Platforms   map[string]PlatformImage `pulumi:"platforms"`
	Referrers   []Referrer               `pulumi:"referrers"`
}

// Annotate documents the results in the schema and in every SDK.
func (r *GetImageResult) Annotate(an infer.Annotator) {
	an.Describe(&r.Ref, "The reference in full: `host/repository:tag`, or `host/repository@sha256:…` if it has a "+
		"digest.")
	an.Describe(&r.Digest, "The digest of the index, or of the only manifest: `sha256:…`.")
	an.Describe(&r.RepoDigest, "The repository with the digest: `host/repository@sha256:…`. Name this in a "+
		"deployment.")
	an.Describe(&r.MediaType, "The media type of the index, or of the only manifest.")
	an.Describe(&r.Annotations, "The annotations of the index, or of the only manifest.")
	an.Describe(&r.Platforms, "The image of each platform, by platform, such as `linux/amd64`. Attestations are not "+
		"among them.")
	an.Describe(&r.Referrers, "The artifacts that refer to the digest, such as signatures. If the registry refuses "+
		"to list them, they are empty and a warning says so.")
}

// PlatformImage is the image of one platform with its configuration.
type PlatformImage struct {
	Digest       string            `pulumi:"digest"`
	RepoDigest   string            `pulumi:"repoDigest"`
	Size         float64           `pulumi:"size"`
	User         string            `pulumi:"user"`
	Entrypoint   []string          `pulumi:"entrypoint"`
	Command      []string          `pulumi:"command"`
	WorkingDir   string            `pulumi:"workingDir"`
	ExposedPorts []string          `pulumi:"exposedPorts"`
	Labels       map[string]string `pulumi:"labels"`
	Environment  []string          `pulumi:"environment"`
}

// Annotate documents the type.
func (i *PlatformImage) Annotate(an infer.Annotator) {
	an.Describe(i, "The image of one platform with its configuration.")
	an.Describe(&i.Digest, "Digest of the manifest: `sha256:…`.")
	an.Describe(&i.RepoDigest, "The repository with this digest: `host/repository@sha256:…`.")
	an.Describe(&i.Size, "Size of the configuration and the compressed layers, in bytes.")
	an.Describe(&i.User, "The user that runs the container. Empty is root.")
	an.Describe(&i.Entrypoint, "The program that the container runs, with its first arguments.")
	an.Describe(&i.Command, "The arguments after `entrypoint`, or the program if there is no entrypoint.")
	an.Describe(&i.WorkingDir, "The folder in which the container starts. Empty is `/`.")
	an.Describe(&i.ExposedPorts, "The ports that the image declares, such as `8080/tcp`, sorted.")
	an.Describe(&i.Labels, "The labels.")
	an.Describe(&i.Environment, "The names of the environment variables. Their values may be secret, and are left out.")
}

// Referrer is an artifact that refers to an image.
type Referrer struct {
	ArtifactType string            `pulumi:"artifactType"`
	Digest       string            `pulumi:"digest"`
	Annotations  map[string]string `pulumi:"annotations"`
}

// Annotate documents the type.
func (r *Referrer) Annotate(an infer.Annotator) {
	an.Describe(r, "An artifact that refers to an image.")
	an.Describe(&r.ArtifactType, "What it is, such as `application/vnd.dev.sigstore.bundle.v0.3+json`. Empty if the "+
		"registry does not say.")
	an.Describe(&r.Digest, "Digest of its manifest: `sha256:…`.")
	an.Describe(&r.Annotations, "Its annotations.")
}
