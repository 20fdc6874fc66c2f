package provider

import (
	"fmt"
	"maps"
	"testing"
)

// placeImages returns the builder of each of some images for linux/amd64, and the most and the fewest that one has.
func placeImages(images int, among ...measured) (places map[string]string, most, least int) {
	places = map[string]string{}
	number := map[string]int{}
	for i := range images {
		image := fmt.Sprintf("shop/image-%d", i)
		chosen, _ := assign([]string{"linux/amd64"}, among, image)
		places[image] = among[chosen["linux/amd64"]].name
		number[places[image]]++
	}
	least = images
	for _, m := range among {
		most, least = max(most, number[m.name]), min(least, number[m.name])
	}
	return places, most, least
}

// sharer returns a candidate that shares.
func sharer(name, serves string, only ...string) measured {
	m := candidateWith(name, serves, only...)
	m.share = true
	return m
}

// Builders that share divide the images. The order of the builders plays no part, and a builder that goes moves its own
// images only.
func TestBuildersThatShare(t *testing.T) {
	t.Parallel()
	a, b, c := sharer("a", x86), sharer("b", x86), sharer("c", x86)
	all, most, least := placeImages(300, a, b, c)
	if least < 75 || most > 125 {
		t.Errorf("of 300 images a builder has %d to %d", least, most)
	}
	if reordered, _, _ := placeImages(300, c, a, b); !maps.Equal(reordered, all) {
		t.Error("images move with the order of the builders")
	}
	without, _, _ := placeImages(300, a, c)
	for image, builder := range all {
		if builder != "b" && without[image] != builder {
			t.Errorf("%s moves from %s to %s, because b is gone", image, builder, without[image])
		}
	}
}

// A builder that suits a platform better, or stands first without share, builds all images.
func TestBuildersThatShareNothing(t *testing.T) {
	t.Parallel()
	for name, among := range map[string][]measured{
		"the first":      {candidateWith("a", x86), sharer("b", x86), sharer("c", x86)},
		"no other":       {sharer("a", x86), candidateWith("b", x86), candidateWith("c", x86)},
		"natively":       {sharer("b", arm), sharer("a", x86), sharer("c", arm)},
		"named":          {sharer("b", arm), sharer("a", arm, "linux/amd64")},
		"the only one":   {sharer("a", x86), sharer("b", x86, "linux/arm64")},
		"without shares": {candidateWith("a", x86), candidateWith("b", x86)},
	} {
		places, _, _ := placeImages(20, among...)
		for image, builder := range places {
			if builder != "a" {
				t.Errorf("%s: %s is built on %s", name, image, builder)
			}
		}
		number := assignWhole([]string{"linux/amd64"}, among, "shop/app")
		if among[number].name != "a" {
			t.Errorf("%s: a whole image is built on %s", name, among[number].name)
		}
	}
}
