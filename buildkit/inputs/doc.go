// Package inputs tells what a build reads: it predicts, records and hashes it. It asks no daemon. To find out why an image was
// built again, read this package and package source.
//
//	Plan        what to build, as plain data, and the frontend's options for it  (plan.go, attrs.go)
//	Files       where its files are, on this machine or at a URL                 (files.go, remote.go, pin.go)
//	Definition  the texts that decide what is read: Dockerfile and ignore files  (definition.go)
//	prediction  what the build will read, from a dry run of the frontend         (predict.go, dry_gateway.go, reads.go, uses.go)
//	Bases       the images that it begins from                                   (bases.go)
//	Load        all of it, recorded                                              (load.go)
//	History     what earlier builds read, and what is different now              (history.go, changes.go)
package inputs
