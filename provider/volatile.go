package provider

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// checkVolatileArgs reports what cannot be the name of a build argument. A name that buildArgs lacks is none of its
// business: a program may give an argument on some machines only.
func checkVolatileArgs(c *checker) {
	for i, name := range c.args.VolatileArgs {
		path := fmt.Sprintf("volatileArgs[%d]", i)
		switch {
		case c.unknownAt(key("volatileArgs"), index(i)):
		case name == "":
			c.fail(path, "a name is needed, that of an argument in buildArgs")
		case strings.Contains(name, "="):
			c.fail(path, "%q: write only the name here, and the value in buildArgs", name)
		}
	}
}

// withoutVolatile returns applied and wanted properties without the build arguments that the wanted volatileArgs name.
// What is left is compared. The wanted names count for both: an argument is volatile as soon as the program says so.
func withoutVolatile(applied, wanted property.Map) (property.Map, property.Map) {
	names := texts(wanted, "volatileArgs")
	lasting := func(m property.Map) property.Map {
		args := m.Get("buildArgs")
		if !args.IsMap() {
			return m
		}
		left := args.AsMap()
		for _, name := range names {
			left = left.Delete(name)
		}
		return m.Set("buildArgs", property.New(left))
	}
	return lasting(applied), lasting(wanted)
}
