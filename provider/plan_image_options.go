package provider

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// imageOptions returns the options of the image that is pushed.
func imageOptions(a ImageArgs) map[string]string {
	options := optionMap{}
	for _, form := range enabledExports(a) {
		if form.isImage() {
			maps.Copy(options, form.options)
		}
	}
	delete(options, "push") // these say where the image goes, not how it is written
	if options["name"] != "" {
		delete(options, "name")
	}
	for _, name := range []string{pushByDigestOption, insecureOption} {
		if options.isOn(name) {
			delete(options, name)
		}
	}
	return options
}

// Options of an image that say where it goes.
const (
	pushByDigestOption = "push-by-digest"
	insecureOption     = "registry.insecure"
)

// withInsecureNames returns the registries of the inputs. If an export of the image is insecure, the hosts of its names
// are, too.
func withInsecureNames(a ImageArgs, inputs property.Map) []Registry {
	if !a.hasImageOption(insecureOption) {
		return a.Registries
	}
	all, insecure := slices.Clone(a.Registries), true
	for _, name := range knownNames(inputs) {
		tag, err := tagFor(name, anyHash)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(all, func(r Registry) bool { return registry.Host(r.Address) == tag.Host() })
		if i < 0 {
			i, all = len(all), append(all, Registry{Address: tag.Host()})
		}
		if all[i].CAFile == nil {
			all[i].Insecure = &insecure
		}
	}
	return all
}

// imageStoreOptions lists the options of the builder's image store. They do not change the image.
var imageStoreOptions = []string{"dangling-name-prefix", "name-canonical", "unpack", "store"}
