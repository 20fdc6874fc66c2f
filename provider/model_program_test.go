package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// wish is one image of the program: what the user wants.
type wish struct {
	name      string // of the resource
	absent    bool   // it is not in the program now
	file      string // the text of the file that is copied
	arg       int    // the build argument; 0 is none
	platforms int    // of platformSets
	tags      []string
	unpushed  bool // push: false
	pinned    bool // ignoreChanges: [contextHash]
	lazy      bool // buildOnPreview: false
	vague     int  // of vaguenesses
	own       bool // it has a login of its own and does not count on the provider's
	password  string
}

// platformSets are two sets and a second order of one of them.
var platformSets = [][]string{{"linux/amd64"}, {"linux/amd64", "linux/arm64"}, {"linux/arm64", "linux/amd64"}, {"linux/arm64"}}

// vaguenesses are the inputs that a preview does not know.
var vaguenesses = []string{"", "arg", "tag", "tags", "contextHash", "platforms", "registries"}

// labels are all tags of the model.
var labels = []string{"app:a", "app:b", "app:c", "lib:a", "lib:b"}

func (w *world) newWish(i int) *wish {
	return &wish{
		name: fmt.Sprintf("image%d", i), own: i == 0, absent: i > 0, password: w.password, file: w.text(0),
		tags: [][]string{{"app:a", "lib:a"}, {"app:c"}}[i],
	}
}

func (w *world) folder(i int) string { return filepath.Join(w.dir, fmt.Sprint(i)) }

// save writes what the image is built from.
func (w *world) save(i int) {
	for name, text := range map[string]string{"file": w.wishes[i].file, "Dockerfile": dockerfile} {
		err := os.MkdirAll(w.folder(i), 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(w.folder(i), name), []byte(text), 0o644)
		}
		if err != nil {
			broken("harness", "%v", err)
		}
	}
}

// inputs are what the program says in an update, or in a preview, where something may be unknown.
func (w *world) inputs(i int, preview bool) property.Map {
	v := w.wishes[i]
	refs := make([]string, len(v.tags))
	for j, tag := range v.tags {
		refs[j] = w.front.Host() + "/" + tag
	}
	in := property.Map{}.
		Set("context", property.New(map[string]property.Value{"location": property.New(w.folder(i))})).
		Set("platforms", list(platformSets[v.platforms])).
		Set("tags", list(refs))
	if v.arg > 0 {
		in = in.Set("buildArgs", property.New(map[string]property.Value{"A": property.New(fmt.Sprint(v.arg))}))
	}
	if v.unpushed {
		in = in.Set("push", property.New(false))
	}
	if v.lazy {
		in = in.Set("buildOnPreview", property.New(false))
	}
	if v.own {
		in = in.Set("registries", w.login(v.password))
	}
	if preview {
		in = v.veiled(in)
	}
	return in
}

// veiled is what of it a preview knows.
func (v *wish) veiled(in property.Map) property.Map {
	switch what := vaguenesses[v.vague]; what {
	case "":
	case "arg":
		if v.arg > 0 {
			in = in.Set("buildArgs", property.New(map[string]property.Value{"A": unknown()}))
		}
	case "tag":
		if tags := in.Get("tags").AsArray().AsSlice(); len(tags) > 0 {
			in = in.Set("tags", property.New(append([]property.Value{unknown()}, tags[1:]...)))
		}
	case "registries":
		if v.own {
			in = in.Set(what, unknown())
		}
	default:
		in = in.Set(what, unknown())
	}
	return in
}

func (w *world) login(password string) property.Value {
	return property.New([]property.Value{property.New(map[string]property.Value{
		"address":  property.New(w.front.Host()),
		"username": property.New("me"),
		"password": property.New(password).WithSecret(true),
	})})
}

// wants are the tags that the program has for the image; none when it is not to be pushed.
func (v *wish) wants() []string {
	if v.absent || v.unpushed {
		return nil
	}
	return v.tags
}

// content is what the wish is for.
func (v *wish) content() content {
	arg := "none"
	if v.arg > 0 {
		arg = fmt.Sprint(v.arg)
	}
	platforms := slices.Sorted(slices.Values(platformSets[v.platforms]))
	return content{file: v.file, arg: arg, platforms: strings.Join(platforms, ",")}
}

const renamed = "-renamed"

// base is the name without what a renaming appends.
func (v *wish) base() string { return strings.TrimSuffix(v.name, renamed) }
