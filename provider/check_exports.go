package provider

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func checkExports(c *checker) {
	members := []string{"tar", "local", "registry", "image", "oci", "docker", "cacheonly", "raw"}
	paths := checkOneMember(c, "exports", len(c.args.Exports), members...)
	var image optionMap // options of the one before
	for _, i := range slices.Sorted(maps.Keys(paths)) {
		if c.unknownAt(key("exports"), index(i)) {
			continue
		}
		form, err := c.args.Exports[i].toExport()
		path := paths[i] + "." + form.kind
		if c.args.Exports[i].Raw != nil {
			path = paths[i] + ".raw"
		}
		if err == nil && form.isImage() {
			if image != nil && !maps.Equal(writtenAs(image), writtenAs(form.options)) {
				err = errors.New("there is one image, and another entry says that it is written otherwise: give both " +
					"the same options, or keep one of them")
			}
			image = form.options
		}
		if err == nil {
			err = exportMistake(c, form)
		}
		if err != nil {
			c.fail(path, "%v", err)
		}
		checkCompression(c, path, c.args.Exports[i].layers())
	}
}

// exportMistake returns an error that says what is wrong with an export, or nil.
func exportMistake(c *checker, e export) error {
	for _, name := range slices.Sorted(maps.Keys(e.options)) {
		invalid := strings.HasSuffix(name, ".") || strings.ContainsFunc(name, unicode.IsSpace) || hasControl(name)
		if strings.HasPrefix(name, "annotation") && invalid {
			return fmt.Errorf("annotations: %q cannot be the name of an annotation: write one without white space",
				strings.TrimPrefix(name, "annotation."))
		}
	}
	switch e.kind {
	case "tar", "local", "oci":
		if e.dest == "" || e.dest == "-" {
			return errors.New("dest is needed: the path to write to")
		}
		return mirrorMistake(c, e)
	case "docker":
		if e.dest == "" { // the engine decides
			return nil
		}
		return checkOnePlatform(c)
	case "image", "registry":
		if err := rawImageMistake(e.options); err != nil {
			return err
		}
		return imageMistake(c, e)
	case "cacheonly":
	default:
		return errors.New("type=" + e.kind + " is not known: it is tar, local, oci, docker, image, registry or " +
			"cacheonly")
	}
	return nil
}

// mirrorMistake returns an error if the mode of a local export is not known, or would remove the program. It returns
// nil for any other export.
func mirrorMistake(c *checker, e export) error {
	switch mode := ExportMode(e.options["mode"]); {
	case e.kind != "local", mode == "", mode == ExportModeCopy:
		return nil
	case mode != ExportModeDelete:
		return fmt.Errorf("mode: %q is not known: it is copy or delete", mode)
	}
	kept := []string{"."}
	files := c.args.files()
	if !inputs.IsRemote(files.Context) {
		kept = append(kept, files.Context)
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		if !inputs.IsRemoteNamedContext(files.Named[name]) {
			kept = append(kept, files.Named[name])
		}
	}
	for _, folder := range kept {
		if contains(e.dest, folder) {
			return fmt.Errorf("mode: delete would remove the files of %s, because dest is or contains it: write to "+
				"another folder", folder)
		}
	}
	return nil
}

// contains tells whether a folder is another one, or around it. It returns true if that is not known.
func contains(folder, other string) bool {
	folder, err := filepath.Abs(folder)
	other, otherErr := filepath.Abs(other)
	if errors.Join(err, otherErr) != nil {
		return true
	}
	inside, err := filepath.Rel(resolveLinks(folder), resolveLinks(other))
	return err == nil && filepath.IsLocal(inside)
}

// resolveLinks returns the path without links, or as it is if nothing is there.
func resolveLinks(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// writtenAs returns the options that say how the image is written, without those that say where it goes.
func writtenAs(options optionMap) optionMap {
	written := maps.Clone(options)
	maps.DeleteFunc(written, func(name, _ string) bool {
		return slices.Contains([]string{"name", "push", pushByDigestOption, insecureOption}, name)
	})
	return written
}

// imageMistake returns an error if an option of an image contradicts another input, or nil.
func imageMistake(c *checker, e export) error {
	needsOCI := len(c.args.Annotations) > 0 || c.args.Provenance != nil || c.args.SBOM != nil
	if e.options["oci-mediatypes"] == "false" && needsOCI {
		return errors.New("ociMediaTypes: annotations, provenance and sbom need the media types of OCI: leave it out")
	}
	for _, name := range []string{"provenance", "sbom"} {
		if on, err := strconv.ParseBool(e.options[name]); e.options[name] != "" && (err != nil || on) {
			return fmt.Errorf("%s: it has no effect in an export: set the input %s", name, name)
		}
	}
	return nil
}

// checkOnePlatform returns an error if the image is built for several platforms.
func checkOnePlatform(c *checker) error {
	if isKnown(c.raw, "platforms") && len(normalizePlatforms(c.args.Platforms)) > 1 {
		return errors.New("this takes an image of one platform: build another Image for one of them, or export oci " +
			"instead")
	}
	return nil
}

// makesNoImage tells whether the image certainly goes nowhere.
func makesNoImage(c *checker) bool { return !makesImage(c.raw, enabledExports(c.args)) }
