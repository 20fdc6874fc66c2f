package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"gopkg.in/yaml.v3"
)

// checkExamples returns an error for each example that is not YAML of its own property alone, or whose value does not
// fit the type.
func checkExamples(properties map[string]*schema.Property, examples map[string]string) error {
	var problems []error
	for _, name := range keys(properties) {
		var value map[string]any
		if err := yaml.Unmarshal([]byte(examples[name]), &value); err != nil {
			problems = append(problems, fmt.Errorf("reference.yaml: example of %s: %w", name, err))
			continue
		}
		if len(value) != 1 || value[name] == nil {
			problems = append(problems, fmt.Errorf("reference.yaml: example of %s: it sets other properties", name))
			continue
		}
		problems = append(problems, checkValue(name, properties[name].Type, value[name]))
	}
	return errors.Join(problems...)
}

// checkValue returns an error if the value at path does not fit the type.
func checkValue(path string, t schema.Type, value any) error {
	var problems []error
	switch t := plain(t).(type) {
	case *schema.ArrayType:
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("reference.yaml: %s is no list", path)
		}
		for i, element := range list {
			problems = append(problems, checkValue(fmt.Sprintf("%s[%d]", path, i), t.ElementType, element))
		}
	case *schema.MapType:
		members, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("reference.yaml: %s is no map", path)
		}
		for name, member := range members {
			problems = append(problems, checkValue(path+"."+name, t.ElementType, member))
		}
	case *schema.ObjectType:
		problems = append(problems, checkObject(path, t, value))
	case *schema.EnumType:
		if !slices.ContainsFunc(t.Elements, func(e *schema.Enum) bool { return e.Value == value }) {
			return fmt.Errorf("reference.yaml: %s: %v is no %s", path, value, typeName(t.Token))
		}
	default:
		return checkScalar(path, t, value)
	}
	return errors.Join(problems...)
}

// checkObject returns an error if the value is not an object of the type, has an unknown member, or lacks a required
// one.
func checkObject(path string, t *schema.ObjectType, value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("reference.yaml: %s is no object", path)
	}
	var problems []error
	properties := propertiesByName(t.Properties)
	for name, member := range members {
		if p := properties[name]; p != nil {
			problems = append(problems, checkValue(path+"."+name, p.Type, member))
		} else {
			problems = append(problems, fmt.Errorf("reference.yaml: %s has no member %s", path, name))
		}
	}
	for name, p := range properties {
		if _, ok := members[name]; p.IsRequired() && !ok {
			problems = append(problems, fmt.Errorf("reference.yaml: %s lacks %s", path, name))
		}
	}
	return errors.Join(problems...)
}

// checkScalar returns an error if the value is not a string, boolean, integer or number, whichever the type is.
func checkScalar(path string, t schema.Type, value any) error {
	ok := true
	switch t {
	case schema.BoolType:
		_, ok = value.(bool)
	case schema.IntType:
		_, ok = value.(int)
	case schema.NumberType:
		if _, ok = value.(float64); !ok {
			_, ok = value.(int)
		}
	case schema.StringType:
		_, ok = value.(string)
	}
	if !ok {
		return fmt.Errorf("reference.yaml: %s: %v is no %s", path, value, t)
	}
	return nil
}
