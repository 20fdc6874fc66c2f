//go:build race

package dockerfile

const raceDetector = true
