//go:build linux

package e2e

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// benchmarkBuild is what BenchmarkBuildAndPush builds.
type benchmarkBuild struct {
	name    string
	files   map[string]string
	changed string // the file that differs from round to round
}

// smallBuild takes a fraction of a second, so that it shows what the plugin adds. Its step runs on the platform of the
// builder and needs no network, so that every builder of the tests can run it.
func smallBuild() benchmarkBuild {
	return benchmarkBuild{name: "small", changed: "greeting", files: map[string]string{
		"Dockerfile": `FROM --platform=$BUILDPLATFORM BUSYBOX AS build
COPY greeting /greeting
RUN --network=none tr a-z A-Z </greeting >/upper
FROM BUSYBOX
COPY --from=build /upper /upper
`,
		"greeting": "hello\n", ".dockerignore": "Pulumi*.yaml\n",
	}}
}

// usualBuild is a build of some seconds: a context of 2,000 files and 20 MB, a step that stays in the cache, steps that
// work on all files, and a layer with all of them.
func usualBuild() benchmarkBuild {
	files := map[string]string{
		"Dockerfile": `FROM --platform=$BUILDPLATFORM BUSYBOX AS build
WORKDIR /app
COPY packages .
RUN --network=none sha256sum packages >/packages.sum
COPY src src
RUN --network=none find src -type f | sort | xargs sha256sum >/files.sum
RUN --network=none cat src/*/*.txt | tr a-f A-F >/all.txt
FROM BUSYBOX
COPY --from=build /packages.sum /files.sum /app/
COPY --from=build /app/src /app/src
`,
		"packages": "one 1.0\ntwo 2.0\n", ".dockerignore": "Pulumi*.yaml\n",
	}
	random := rand.NewChaCha8([32]byte{1})
	bytes := make([]byte, 5_000)
	for i := range 2_000 {
		_, _ = random.Read(bytes) // it never fails
		// Text of 10 KB, which compresses to a half as source code does.
		text := strings.Join(chunks(hex.EncodeToString(bytes), 80), "\n")
		files[fmt.Sprintf("src/%02d/%02d.txt", i/100, i%100)] = text
	}
	return benchmarkBuild{name: "usual", changed: "src/07/42.txt", files: files}
}

// chunks splits text into parts of a length.
func chunks(text string, length int) (parts []string) {
	for len(text) > length {
		parts, text = append(parts, text[:length]), text[length:]
	}
	return append(parts, text)
}
