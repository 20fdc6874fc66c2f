// Package inputs predicts, records and hashes what a build reads. It asks no daemon. To find out why an image was built
// again, read this package and package source.
//
//	Plan         what to build, as plain data           plan.go, plan_options.go
//	Files        where its files are, here or at a URL  files.go, files_remote.go
//	Texts        Dockerfile and ignore files            texts.go, ignore_patterns.go
//	Prediction   what the build will read               prediction.go, read_set.go, use_set.go
//	predict      makes one by a dry run                 predict.go, dry_gateway.go, local_request.go
//	Bases        the images that a build begins from    bases.go
//	Load         records all of it                      load.go
//	SharedScans  one scan for several images            shared_scans.go
//	Inputs       what was recorded, and its hash        inputs.go, warnings.go
//	History      what changed since an earlier build    history.go, changes.go
package inputs
