//go:build linux

package e2e

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Counts what a registry receives in one update of images that have a large layer in common: of a base image in another
// repository of the registry, or of a step of their own.
func BenchmarkSameBytes(b *testing.B) {
	for _, size := range []struct{ images, megabytes int }{{6, 60}, {50, 100}} {
		for _, built := range []bool{false, true} {
			b.Run(fmt.Sprintf("images=%d/MB=%d/built=%t", size.images, size.megabytes, built), func(b *testing.B) {
				var sent, took []float64
				for b.Loop() {
					megabytes, duration := pushAlike(b, size.images, size.megabytes, built)
					sent, took = append(sent, megabytes), append(took, duration.Seconds())
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(sent[len(sent)-1], "MB-sent")
				b.ReportMetric(took[len(took)-1], "up-s")
			})
		}
	}
}

// pushAlike updates images with a large layer in common. It returns how many MB the registry got, and how long it took.
func pushAlike(b *testing.B, images, megabytes int, built bool) (sent float64, took time.Duration) {
	b.Helper()
	registry := registrytest.New(b, registrytest.Folder(b.TempDir()))
	from, files := "scratch\nCOPY big /", map[string]string{}
	if built {
		content := make([]byte, megabytes*1_000_000)
		_, _ = rand.Read(content)
		files["app/big"] = string(content)
	} else {
		files["app/empty"] = ""
		base := registrytest.LargeImage(b, "linux/amd64", int64(megabytes)*1_000_000)
		from = registry.Host() + "/base@" + registry.Push(b, "base", base)
	}
	s := openWithUserSettings(b, alikeOn(b, registry.Host(), from, images, files))
	count := registry.CountUploads()
	began := time.Now()
	succeeds(b, s.Up("--skip-preview"))
	took = time.Since(began)
	sent = float64(count.Load()) / 1e6
	succeeds(b, s.Destroy("--skip-preview"))
	return sent, took
}

// alikeOn returns a program whose images begin alike, each in its own repository of a registry.
func alikeOn(t testing.TB, registry, from string, images int, files map[string]string) fs.FS {
	t.Helper()
	var yaml strings.Builder
	yaml.WriteString("resources:\n")
	for i := range images {
		fmt.Fprintf(&yaml, "  image%d:\n    type: buildkit:Image\n    properties:\n      context: { location: app }\n"+
			"      platforms: [linux/amd64]\n      buildArgs: { NUMBER: %q }\n      tags: [\"%s/app-%d:1\"]\n",
			i, fmt.Sprint(i), registry, i)
	}
	files["app/Dockerfile"] = "FROM " + from + "\nARG NUMBER\nCOPY Dockerfile /$NUMBER\n"
	return program(t, yaml.String(), files)
}
