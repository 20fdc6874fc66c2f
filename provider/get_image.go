package provider

import (
	"context"
	_ "embed"
	"errors"
	"reflect"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// getImageExamples are programs in every language. make sdk writes them.
//
//go:embed get_image_examples.md
var getImageExamples string

// GetImage reads an image in a registry. infer derives its schema and its token from this type. getImageFunction serves
// the engine.
type GetImage struct{}

// Annotate documents the function.
func (g *GetImage) Annotate(an infer.Annotator) {
	an.Describe(g, "Reads an image in a registry, whoever has built it: its digest, its platforms with their "+
		"configuration, and what refers to it, such as signatures. It pulls no layer. It also runs in previews: an "+
		"image that the update will push has its digest there, and the rest of the image before. A reference that is "+
		"not known yet gives unknown results. An image that is not there is an error.\n\n"+getImageExamples)
}

// Invoke returns an error. infer needs the method, but getImageFunction serves every request.
func (*GetImage) Invoke(
	context.Context, infer.FunctionRequest[GetImageArgs],
) (infer.FunctionResponse[GetImageResult], error) {
	return infer.FunctionResponse[GetImageResult]{}, errors.ErrUnsupported
}

// getImageFunction serves the engine on property maps, where unknown values are whole.
type getImageFunction struct {
	infer.InferredFunction
	settings *settings
	notes    *notes // shared with the images
}

// newGetImageFunction returns the function of a provider that has images too.
func newGetImageFunction(images *imageResource) getImageFunction {
	return getImageFunction{
		InferredFunction: infer.Function(&GetImage{}), settings: images.settings, notes: images.notes,
	}
}

// Invoke reads the image. It reports every mistake in the arguments at once.
func (f getImageFunction) Invoke(ctx context.Context, req p.InvokeRequest) (p.InvokeResponse, error) {
	failures := schemaErrors(property.New(req.Args), reflect.TypeFor[GetImageArgs](), "")
	known := dropExtraFields(property.New(req.Args), reflect.TypeFor[GetImageArgs]()).AsMap()
	args, _, err := infer.DefaultCheck[GetImageArgs](ctx, known)
	if err != nil {
		return p.InvokeResponse{}, err
	}
	c := &checker{ctx: ctx, raw: known, args: ImageArgs{Registries: args.logins()}, failures: failures}
	checkRegistries(c)
	ref, err := registry.ParseReference(args.Ref)
	if err != nil && isKnown(known, "ref") && !c.hasFailure("ref") {
		c.fail("ref", "%v", err)
	}
	if len(c.failures) > 0 {
		return p.InvokeResponse{Failures: hideValues(known, c.failures)}, nil
	}
	if !isKnown(known, "ref", "registries") {
		return p.InvokeResponse{Return: unknownImage()}, nil
	}
	ctx, stop := withinLimit(ctx, readLimit)
	defer stop()
	w := newStage(ctx, "reading the image")
	client := f.settings.registryClient(ctx, w, f.settings.keychain(ctx, w, args.logins()), readLimit)
	found, err := client.Describe(ctx, ref)
	if mayBeAbsent(err) {
		found, err = f.describePromise(ctx, client, ref, err)
	}
	if err != nil {
		return p.InvokeResponse{}, w.explain(err, "")
	}
	if found.ReferrersErr != nil {
		loggerOf(ctx).warnf("getImage: referrers of %s is empty, because the registry does not tell: %v", ref,
			found.ReferrersErr)
	}
	return p.InvokeResponse{Return: describedImage(ref, found)}, nil
}

// mayBeAbsent tells whether an error may mean that the image is not there. GitHub's registry and Docker Hub answer 403
// or 401 for a repository that does not exist.
func mayBeAbsent(err error) bool {
	return errors.Is(err, fault.ErrNotFound) || errors.Is(err, fault.ErrUnauthorized) || errors.Is(err, fault.ErrDenied)
}

// unknownImage returns the results of a reference that is not known yet.
func unknownImage() property.Map {
	out := property.Map{}
	for name := range fieldsOf(reflect.TypeFor[GetImageResult]()) {
		out = out.Set(name, unknownValue())
	}
	return out
}

// describedImage returns the results of an image.
func describedImage(ref registry.Reference, found registry.Description) property.Map {
	platforms := map[string]property.Value{}
	for _, image := range found.Platforms {
		if _, twice := platforms[image.Platform]; !twice { // engines take the first, too
			platforms[image.Platform] = platformValue(ref.Repository(), image)
		}
	}
	referrers := []property.Value{}
	for _, r := range found.Referrers {
		referrers = append(referrers, property.New(map[string]property.Value{
			"artifactType": property.New(r.ArtifactType), "digest": property.New(r.Digest),
			"annotations": textsValue(r.Annotations),
		}))
	}
	return property.NewMap(map[string]property.Value{
		"ref":         property.New(ref.String()),
		"digest":      property.New(found.Digest),
		"repoDigest":  property.New(ref.Repository() + "@" + found.Digest),
		"mediaType":   property.New(found.MediaType),
		"annotations": textsValue(found.Annotations),
		"platforms":   property.New(platforms),
		"referrers":   property.New(referrers),
	})
}

// platformValue returns the image of one platform as a result.
func platformValue(repository string, image registry.PlatformImage) property.Value {
	config := image.Config
	repoDigest := ""
	if image.Digest != "" { // else the update will push it
		repoDigest = repository + "@" + image.Digest
	}
	ports, environment := []string{}, []string{}
	for port := range config.ExposedPorts {
		ports = append(ports, port)
	}
	for _, variable := range config.Env { // the values may be secret
		name, _, _ := strings.Cut(variable, "=")
		environment = append(environment, name)
	}
	slices.Sort(ports)
	return property.New(map[string]property.Value{
		"digest":       property.New(image.Digest),
		"repoDigest":   property.New(repoDigest),
		"size":         property.New(float64(image.Size)),
		"user":         property.New(config.User),
		"entrypoint":   list(config.Entrypoint),
		"command":      list(config.Cmd),
		"workingDir":   property.New(config.WorkingDir),
		"exposedPorts": list(ports),
		"labels":       textsValue(config.Labels),
		"environment":  list(environment),
	})
}

// textsValue returns a map of texts as a property.
func textsValue(texts map[string]string) property.Value {
	values := map[string]property.Value{}
	for name, text := range texts {
		values[name] = property.New(text)
	}
	return property.New(values)
}
