package provider

import (
	"crypto/sha256"
	"encoding/binary"
)

// choose returns the number of the candidate with the best fitness for an image. Of equal ones it returns the first; if
// that one shares, it returns one of the equal ones that share. It returns -1 if all are excluded.
//
// The name of the image decides among those that share, and nothing else: an image finds its cache again on whichever
// machine Pulumi runs. A builder that comes or goes moves only the images that it gets or had.
func choose(among []measured, image string, fitnessOf func(measured) fitness) int {
	best, number := excluded, -1
	for i, m := range among {
		if f := fitnessOf(m); f < best {
			best, number = f, i
		}
	}
	if number < 0 || !among[number].share {
		return number
	}
	highest := uint64(0)
	for i, m := range among {
		if weight := pairWeight(image, m.name); m.share && fitnessOf(m) == best && weight >= highest {
			highest, number = weight, i
		}
	}
	return number
}

// pairWeight returns a number for an image and a builder. The builder with the highest number has the image.
func pairWeight(image, builder string) uint64 {
	sum := sha256.Sum256([]byte(image + "\x00" + builder))
	return binary.BigEndian.Uint64(sum[:8])
}
