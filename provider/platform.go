package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// Platform is a platform to build for.
//
// SDKs get the names of its values from the values, because docker-build's SDKs do: Platform.Linux_amd64 in TypeScript
// and C#, Platform.LINUX_AMD64 in Python, Platform_Linux_amd64 in Go. So the values have no names here.
type Platform string

// Values implements infer.Enum. The values are those of docker-build, and variants of linux/arm and linux/amd64.
// Programs can spell others where their language takes a string for an enum, and Check accepts those that exist.
func (Platform) Values() []infer.EnumValue[Platform] {
	values := make([]infer.EnumValue[Platform], len(platformValues))
	for i, value := range platformValues {
		values[i].Value = value
	}
	return values
}

var platformValues = []Platform{
	"darwin/386", "darwin/amd64", "darwin/arm", "darwin/arm64", "dragonfly/amd64", "freebsd/386", "freebsd/amd64",
	"freebsd/arm", "linux/386", "linux/amd64", "linux/arm", "linux/arm64", "linux/mips64", "linux/mips64le",
	"linux/ppc64le", "linux/riscv64", "linux/s390x", "netbsd/386", "netbsd/amd64", "netbsd/arm", "openbsd/386",
	"openbsd/amd64", "openbsd/arm", "plan9/386", "plan9/amd64", "solaris/amd64", "windows/386", "windows/amd64",
	"linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/amd64/v2", "linux/amd64/v3",
}
