// Package folder checks, packs and restores the content of a cache mount. It runs on the builder, in a step of a solve
// that mounts the cache as the steps of a Dockerfile do. The program pulumi-buildkit-mounts is this package.
//
//	Run     is one step, with folders at fixed places (run_linux.go)
//	Report  is what the step tells the plugin (report.go)
//
// A cache is packed as one archive in a layer. The layer itself cannot hold it: layers cut times to seconds and give
// names such as .wh.a a meaning.
package folder
