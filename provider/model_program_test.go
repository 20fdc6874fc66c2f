package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// programImage is one image of the program, with the inputs that the user wants.
type programImage struct {
	name           string // of the resource
	absent         bool   // not in the program
	file           string // the text of the file that is copied
	arg            int    // the build argument; 0 is none
	platforms      int    // index in platformSets
	tags           []string
	noPush         bool // push: false
	keepsHash      bool // ignoreChanges: [contextHash]
	noPreviewBuild bool // buildOnPreview: false
	unknownChoice  int  // index in unknownChoices
	ownLogin       bool // it has its own login and does not use the provider's
	password       string
}

// platformSets are the values of platforms. Two of them are the same set in another order.
var platformSets = [][]string{
	{"linux/amd64"}, {"linux/amd64", "linux/arm64"}, {"linux/arm64", "linux/amd64"}, {"linux/arm64"},
}

// unknownChoices are the inputs of which one may be unknown in a preview.
var unknownChoices = []string{"", "arg", "tag", "tags", "contextHash", "platforms", "registries"}

// tagChoices are all tags of the model.
var tagChoices = []string{"app:a", "app:b", "app:c", "lib:a", "lib:b"}

func (m *model) newProgramImage(i int) *programImage {
	return &programImage{
		name: fmt.Sprintf("image%d", i), ownLogin: i == 0, absent: i > 0, password: m.password, file: m.fileText(0),
		tags: [][]string{{"app:a", "lib:a"}, {"app:c"}}[i],
	}
}

func (m *model) folder(i int) string { return filepath.Join(m.dir, fmt.Sprint(i)) }

// save writes the file and the Dockerfile of an image.
func (m *model) save(i int) {
	for name, text := range map[string]string{"file": m.program[i].file, "Dockerfile": dockerfile} {
		err := os.MkdirAll(m.folder(i), 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(m.folder(i), name), []byte(text), 0o644)
		}
		if err != nil {
			violate("harness", "%v", err)
		}
	}
}

// inputs returns the inputs of an image as the program sends them. In a preview, one of them may be unknown.
func (m *model) inputs(i int, preview bool) property.Map {
	img := m.program[i]
	refs := make([]string, len(img.tags))
	for j, tag := range img.tags {
		refs[j] = m.registry.Host() + "/" + tag
	}
	in := property.Map{}.
		Set("context", property.New(map[string]property.Value{"location": property.New(m.folder(i))})).
		Set("platforms", list(platformSets[img.platforms])).
		Set("tags", list(refs))
	if img.arg > 0 {
		in = in.Set("buildArgs", property.New(map[string]property.Value{"A": property.New(fmt.Sprint(img.arg))}))
	}
	if img.noPush {
		in = in.Set("push", property.New(false))
	}
	if img.noPreviewBuild {
		in = in.Set("buildOnPreview", property.New(false))
	}
	if img.ownLogin {
		in = in.Set("registries", m.login(img.password))
	}
	if preview {
		in = img.hideUnknown(in)
	}
	return in
}

// hideUnknown replaces the input that unknownChoice names by an unknown value.
func (img *programImage) hideUnknown(in property.Map) property.Map {
	switch what := unknownChoices[img.unknownChoice]; what {
	case "":
	case "arg":
		if img.arg > 0 {
			in = in.Set("buildArgs", property.New(map[string]property.Value{"A": unknownValue()}))
		}
	case "tag":
		if tags := in.Get("tags").AsArray().AsSlice(); len(tags) > 0 {
			in = in.Set("tags", property.New(append([]property.Value{unknownValue()}, tags[1:]...)))
		}
	case "registries":
		if img.ownLogin {
			in = in.Set(what, unknownValue())
		}
	default:
		in = in.Set(what, unknownValue())
	}
	return in
}

func (m *model) login(password string) property.Value {
	return property.New([]property.Value{property.New(map[string]property.Value{
		"address":  property.New(m.registry.Host()),
		"username": property.New("me"),
		"password": property.New(password).WithSecret(true),
	})})
}

// wantedTags returns the tags that the program pushes the image to.
func (img *programImage) wantedTags() []string {
	if img.absent || img.noPush {
		return nil
	}
	return img.tags
}

// content returns the expected content of the image.
func (img *programImage) content() content {
	arg := "none"
	if img.arg > 0 {
		arg = fmt.Sprint(img.arg)
	}
	platforms := slices.Sorted(slices.Values(platformSets[img.platforms]))
	return content{file: img.file, arg: arg, platforms: strings.Join(platforms, ",")}
}

const renameSuffix = "-renamed"

// baseName returns the name without renameSuffix.
func (img *programImage) baseName() string { return strings.TrimSuffix(img.name, renameSuffix) }
