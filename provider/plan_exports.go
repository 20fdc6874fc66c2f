package provider

import (
	"context"
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// export is one entry of exports, converted to BuildKit's terms.
type export struct {
	kind    string    // "tar", "local", "image", "registry", "oci", "docker", "cacheonly"
	options optionMap // by BuildKit's names
	dest    string    // path; "" loads a "docker" into the engine
	folder  bool      // write the OCI layout to a folder, not to an archive

	keepsOthers bool // a preview writes it, and removes no other files in spite of the mode
}

// isImage tells whether the export says how to write the image that is pushed.
func (e export) isImage() bool { return e.kind == "image" || e.kind == "registry" }

// loads tells whether the export goes into a Docker Engine.
func (e export) loads() bool { return e.kind == "docker" && e.dest == "" }

// needsNoImage tells whether the export writes only the files of the image, or nothing.
func (e export) needsNoImage() bool {
	return e.kind == "tar" || e.kind == "local" || e.kind == "cacheonly"
}

// toExport converts the member that is set. It returns an error if raw cannot be parsed.
func (e Export) toExport() (export, error) {
	switch {
	case e.Tar != nil:
		return export{kind: "tar", dest: e.Tar.Dest}, nil
	case e.Local != nil:
		options := optionMap{}
		if e.Local.Mode != nil {
			options["mode"] = string(*e.Local.Mode)
		}
		return export{kind: "local", options: options, dest: e.Local.Dest}, nil
	case e.Registry != nil:
		return export{kind: "registry", options: e.Registry.options()}, nil
	case e.Image != nil:
		return export{kind: "image", options: e.Image.options()}, nil
	case e.OCI != nil:
		return e.OCI.toExport("oci"), nil
	case e.Docker != nil:
		return e.Docker.toExport("docker"), nil
	case e.CacheOnly != nil:
		return export{kind: "cacheonly"}, nil
	}
	return rawExport(deref(e.Raw))
}

// rawExport parses an export as docker's command line takes it, where a path alone means a folder.
func rawExport(text string) (export, error) {
	kind, options, err := parseRaw(text)
	if err != nil || kind == "" {
		return export{kind: "local", dest: text}, err
	}
	raw := export{kind: kind, options: options, dest: options["dest"], folder: options["tar"] == "false"}
	delete(options, "dest")
	delete(options, "tar")
	if insecure, ok := options["insecure"]; ok {
		options["registry.insecure"] = insecure
		delete(options, "insecure")
	}
	return raw, nil
}

func (e ExportImage) options() optionMap {
	return optionMap{}.
		setCompression(e.LayerCompression).
		setFlag("oci-mediatypes", e.OCIMediaTypes).
		setAnnotations(e.Annotations).
		setNames(e.Names).
		setFlag("push", e.Push).
		setFlag("push-by-digest", e.PushByDigest).
		setFlag("registry.insecure", e.Insecure).
		setText("dangling-name-prefix", e.DanglingNamePrefix).
		setFlag("name-canonical", e.NameCanonical).
		setFlag("unpack", e.Unpack).
		setFlag("store", e.Store)
}

func (e ExportOCI) toExport(kind string) export {
	options := optionMap{}.
		setCompression(e.LayerCompression).
		setFlag("oci-mediatypes", e.OCIMediaTypes).
		setAnnotations(e.Annotations).
		setNames(e.Names)
	return export{kind: kind, options: options, dest: deref(e.Dest), folder: e.Tar != nil && !*e.Tar}
}

// enabledExports returns the entries that are not disabled, and one for load. Check refuses those that cannot be
// parsed.
func enabledExports(a ImageArgs) (forms []export) {
	for _, e := range a.Exports {
		if form, err := e.toExport(); err == nil && !deref(e.Disabled) {
			forms = append(forms, form)
		}
	}
	if deref(a.Load) {
		forms = append(forms, export{kind: "docker"})
	}
	return forms
}

// hasOtherExports tells whether the build writes anything besides the pushed image. The state does not say whether that
// still exists, so such a build must run.
func hasOtherExports(enabled []export) bool {
	return slices.ContainsFunc(enabled, func(e export) bool { return !e.isImage() && e.kind != "cacheonly" })
}

// imageRemedy is the remedy for a build that makes no image.
const imageRemedy = "give tags to push it to, set load, or add an export of an image, such as image: {}"

// makesImage tells whether the image goes anywhere: to a registry, a Docker Engine, the builder or a file. It returns
// true if that is not known yet.
func makesImage(inputs property.Map, enabled []export) bool {
	return pushes(inputs) || !isKnown(inputs, deliveryInputs...) ||
		slices.ContainsFunc(enabled, func(e export) bool { return !e.needsNoImage() })
}

// logWithoutImage logs that a build makes no image, unless the program has exports.
func logWithoutImage(ctx context.Context, op operation) {
	if !op.makesImage && len(op.exports) == 0 {
		loggerOf(ctx).infof("the steps run, but no image is made and digest is empty, because nobody gets the image: "+
			"%s", imageRemedy)
	}
}

// loadTargetFunc returns the engine into which an image is loaded.
type loadTargetFunc func(context.Context) (engine.Address, error)

// otherExports returns what a build writes besides the pushed image. It returns an error if the image cannot be loaded.
func otherExports(ctx context.Context, op operation, into loadTargetFunc) (exports []buildkit.Export, err error) {
	for _, form := range op.exports {
		if form.isImage() || form.kind == "cacheonly" {
			continue
		}
		one := buildkit.Export{Type: form.kind, Options: optionMap{}}
		maps.Copy(one.Options, form.options)
		if form.kind == "local" {
			one.Dir = form.dest
		} else {
			one.Open = func(ctx context.Context) (buildkit.Sink, error) { return form.openSink(ctx, into) }
		}
		if form.loads() {
			if one.Type, err = loadType(ctx, op, into); err != nil {
				return nil, err
			}
		}
		if form.kind == "oci" || form.kind == "docker" {
			if len(op.args.Tags) > 0 || one.Options["name"] == "" {
				optionMap(one.Options).setNames(imageNames(op))
			}
			if op.args.SourceDateEpoch != nil {
				one.Options["rewrite-timestamp"] = "true"
			}
		}
		exports = append(exports, one)
	}
	return exports, nil
}

// imageNames returns the names of the image with {hash} replaced, whether they are pushed or not.
func imageNames(op operation) []string {
	names := knownNames(op.inputs)
	for i, name := range names {
		names[i] = expandMarks(name, op.hash)
	}
	return names
}

// storeNames returns the names of the image for the image store of the builder, which takes whole ones only.
func storeNames(op operation) (names []string) {
	for _, name := range imageNames(op) {
		if named, err := reference.ParseNormalizedNamed(name); err == nil {
			names = append(names, reference.TagNameOnly(named).String())
		}
	}
	return names
}

// openSink opens the Docker Engine, folder or file that the export is written to.
func (e export) openSink(ctx context.Context, into loadTargetFunc) (buildkit.Sink, error) {
	switch {
	case e.dest == "":
		address, err := into(ctx)
		if err != nil {
			return nil, err
		}
		return engine.LoadInto(ctx, address)
	case e.folder:
		return buildkit.NewFolder(projectFolder(), e.dest)
	}
	return buildkit.NewFile(projectFolder(), e.dest)
}

// layers returns the compression of the layers in the member that is set.
func (e Export) layers() (none LayerCompression) {
	switch {
	case e.Registry != nil:
		return e.Registry.LayerCompression
	case e.Image != nil:
		return e.Image.LayerCompression
	case e.OCI != nil:
		return e.OCI.LayerCompression
	case e.Docker != nil:
		return e.Docker.LayerCompression
	}
	return none
}
