module github.com/pulumi-buildkit/pulumi-buildkit/.tools/archive

go 1.26
