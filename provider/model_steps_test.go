package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// action is a kind of step. do takes an image of the program and a random number.
type action struct {
	name   string
	weight int // its share of all steps
	do     func(m *model, image, n int)
}

// userActions change files and the program, as the user does, or the registry, as somebody else does.
var userActions = []action{
	{"edit", 14, func(m *model, i, n int) { m.program[i].file = m.fileText(n % 4); m.save(i) }},
	{"touch", 2, (*model).touch},
	{"arg", 6, func(m *model, i, n int) { m.program[i].arg = n % 3 }},
	{"platforms", 5, func(m *model, i, n int) { m.program[i].platforms = n % len(platformSets) }},
	{"tag", 12, (*model).toggleTag},
	{"reorder", 2, func(m *model, i, _ int) { slices.Reverse(m.program[i].tags) }},
	{"push", 2, func(m *model, i, _ int) { m.program[i].noPush = !m.program[i].noPush }},
	{"pin", 3, func(m *model, i, _ int) { m.program[i].keepsHash = !m.program[i].keepsHash }},
	{"noPreviewBuild", 2, func(m *model, i, _ int) { m.program[i].noPreviewBuild = !m.program[i].noPreviewBuild }},
	{"unknown", 4, func(m *model, i, n int) { m.program[i].unknownChoice = n % len(unknownChoices) }},
	{"absent", 5, func(m *model, i, _ int) { m.program[i].absent = !m.program[i].absent }},
	{"rename", 2, (*model).rename},
	{"machine", 4, func(m *model, _, n int) { m.machine = n % len(m.machines) }},
	{"login", 9, (*model).updateLogin},
	{"changePassword", 1, func(m *model, _, n int) { m.registry.setPassword(fmt.Sprint("canary", n%5)) }},
	{"outage", 3, func(m *model, _, n int) { m.registry.setOutage(outage(n % int(outageCount))) }},
	{"endOutage", 8, func(m *model, _, _ int) { m.registry.setOutage(healthy) }},
	{"retag", 5, (*model).retag},
	{"untag", 5, (*model).untag},
	{"deleteImage", 3, (*model).deleteImage},
	{"deletePlatform", 3, (*model).deletePlatform},
}

// failureActions prepare a failure of the command that follows.
var failureActions = []action{
	{"refuseWrite", 3, failure{kind: refuseWrite}.schedule},
	{"failWrite", 3, failure{kind: failWrite, tags: true}.schedule},
	{"loseWrite", 2, failure{kind: loseWrite, tags: true}.schedule},
	{"loseAnswer", 4, failure{kind: loseAnswer, tags: true}.schedule},
	{"killBefore", 5, failure{kind: killBefore}.schedule},
	{"killAfter", 4, failure{kind: killAfter}.schedule},
	{"cancelBefore", 4, failure{kind: cancelBefore}.schedule},
	{"cancelAfter", 4, failure{kind: cancelAfter}.schedule},
	{"cutBefore", 3, failure{kind: cutBefore, tags: true}.schedule},
	{"cutAfter", 4, failure{kind: cutAfter, tags: true}.schedule},
	{"brieflyDown", 3, failure{kind: brieflyDown, tags: true}.schedule},
	{"crash", 5, func(m *model, _, n int) { m.crash = 2 + n%6 }},
	{"previewOutage", 3, func(m *model, _, _ int) { m.previewOutage = true }},
}

// commandActions run the commands of the engine.
var commandActions = []action{
	{"preview", 8, func(m *model, _, _ int) { m.preview() }},
	{"up", 34, (*model).previewAndUp},
	{"replace", 4, func(m *model, i, _ int) { m.up(replacement{of: i}) }},
	{"deleteBeforeReplace", 3, func(m *model, i, _ int) { m.up(replacement{of: i, deleteFirst: true}) }},
	{"refresh", 12, func(m *model, _, _ int) { m.refresh() }},
	{"import", 2, (*model).importImage},
	{"destroy", 3, func(m *model, _, _ int) { m.destroy() }},
}

// schedule prepares the failure for one of the first writes of the next command: to a tag, or to anything.
func (t failure) schedule(m *model, i, n int) {
	t.at = 1 + n%20
	if t.tags = t.tags || i == 0; t.tags {
		t.at = 1 + n%4
	}
	m.failure = &t
}

// previewAndUp runs pulumi up, every other time with --skip-preview.
func (m *model) previewAndUp(_, n int) {
	if n%2 == 0 {
		m.preview()
	}
	m.up(replacement{of: -1})
}

// touch changes a file that the Dockerfile does not read, and the times of the files that it reads.
func (m *model) touch(i, n int) {
	m.save(i)
	if err := os.WriteFile(filepath.Join(m.folder(i), "unread"), fmt.Append(nil, n), 0o644); err != nil {
		violate("harness", "%v", err)
	}
}

// toggleTag removes a tag from the image or, if the image does not have it, moves the tag there from any other image.
func (m *model) toggleTag(i, n int) {
	label := tagChoices[n%len(tagChoices)]
	has := slices.Contains(m.program[i].tags, label)
	for _, img := range m.program {
		img.tags = slices.DeleteFunc(img.tags, func(t string) bool { return t == label })
	}
	if !has {
		m.program[i].tags = append(m.program[i].tags, label)
	}
}

func (m *model) rename(i, _ int) {
	if img := m.program[i]; img.name == img.baseName() {
		img.name += renameSuffix
	} else {
		img.name = img.baseName()
	}
}

// updateLogin gives the registry's password to the image with its own login, to the provider, or mostly to both.
func (m *model) updateLogin(_, n int) {
	if n%4 != 0 {
		m.program[0].password = m.registry.password
	}
	if n%4 != 1 {
		m.password = m.registry.password
	}
}

// actAsOther sends a request as somebody else, and notes which tags changed.
func (m *model) actAsOther(method, path string, body []byte) {
	before := map[string]string{}
	for _, tag := range tagChoices {
		before[tag] = m.registry.digestAt(tag)
	}
	m.registry.send(method, path, body)
	for _, tag := range tagChoices {
		if m.registry.digestAt(tag) != before[tag] {
			m.logf("    others: %s %s → %s", tag, short(before[tag]), short(m.registry.digestAt(tag)))
			markTouched(tag, m.entries()...)
		}
	}
}

// retag moves a tag to another image: one of the program or a foreign one.
func (m *model) retag(_, n int) {
	tag := tagChoices[n%len(tagChoices)]
	repository, label := splitName(tag)
	from := m.registry.digestAt(repository + ":" + []string{"a", "b", "c"}[n/7%3])
	var manifest []byte
	if n%2 == 0 && from != "" {
		manifest = m.registry.manifest(repository, from)
	} else {
		manifest = m.registry.pushForeignConfig(repository)
	}
	m.actAsOther(http.MethodPut, "/v2/"+repository+"/manifests/"+label, manifest)
}

func (m *model) untag(_, n int) {
	repository, label := splitName(tagChoices[n%len(tagChoices)])
	m.actAsOther(http.MethodDelete, "/v2/"+repository+"/manifests/"+label, nil)
}

// deleteImage deletes an image of the program with all its tags, from one of its repositories or from all.
func (m *model) deleteImage(i, n int) {
	e := m.entry(m.program[i].name)
	if e == nil {
		return
	}
	var repositories []string
	for _, tag := range m.tagsOf(e) {
		repository, _ := splitName(tag)
		if !slices.Contains(repositories, repository) {
			repositories = append(repositories, repository)
		}
	}
	if n%2 == 0 && len(repositories) > 1 {
		repositories = repositories[:1]
	}
	for _, repository := range repositories {
		m.actAsOther(http.MethodDelete, "/v2/"+repository+"/manifests/"+e.digest(), nil)
	}
}

// deletePlatform deletes the manifest of one platform of an image of the program, and leaves the index.
func (m *model) deletePlatform(i, _ int) {
	e := m.entry(m.program[i].name)
	if e == nil || len(m.tagsOf(e)) == 0 {
		return
	}
	repository, _ := splitName(m.tagsOf(e)[0])
	var index ocispec.Index
	raw := m.registry.manifest(repository, e.digest())
	if json.Unmarshal(raw, &index) != nil || len(index.Manifests) == 0 {
		return
	}
	m.actAsOther(http.MethodDelete, "/v2/"+repository+"/manifests/"+index.Manifests[0].Digest.String(), nil)
}
