package inputs

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
)

// CheckDockerfile finds what is wrong with the text of a Dockerfile without building it: its syntax, with the line, and
// a target that is none of its stages. It accepts a Dockerfile for another frontend, which judges it later.
//
// It returns an *EncodingError when the text cannot be parsed because it is not UTF-8, a *dockerfile.SizeError, a
// *TargetError, or an error of the parser.
func CheckDockerfile(text []byte, target string) error {
	if marked := markedEncoding(text); marked != nil {
		return marked
	}
	if _, _, _, hasSyntax := parser.DetectSyntax(text); hasSyntax {
		if _, ok := officialSyntax(text); !ok {
			return nil
		}
	}
	if err := (dockerfile.Source{Name: "Dockerfile", Text: text}).CheckSize(); err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("the Dockerfile is empty: it needs at least a FROM")
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return explainSyntax(text, lineOf(err), explainNewerFrontend(text, withLine(err)))
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return explainSyntax(text, lineOf(err), explainNewerFrontend(text, withLine(err)))
	}
	if len(stages) == 0 {
		return errors.New("the Dockerfile has no stage: it needs at least a FROM")
	}
	return checkTarget(stages, target)
}

// checkTarget returns a *TargetError if target is neither the name nor the number of a stage.
func checkTarget(stages []instructions.Stage, target string) error {
	if target == "" {
		return nil
	}
	if _, ok := instructions.HasStage(stages, target); ok {
		return nil
	}
	if n, err := strconv.Atoi(target); err == nil && n >= 0 && n < len(stages) {
		return nil
	}
	var names []string
	for _, stage := range stages {
		if stage.Name != "" {
			names = append(names, stage.Name)
		}
	}
	if len(names) == 0 {
		text := fmt.Sprintf("the Dockerfile has no stage %q: its stages have no names (FROM … AS name)", target)
		return &TargetError{text}
	}
	return &TargetError{fmt.Sprintf("the Dockerfile has no stage %q: it has %s", target, strings.Join(names, ", "))}
}

// TargetError says that the target is no stage of the Dockerfile.
type TargetError struct{ text string }

func (e *TargetError) Error() string { return e.text }

// explainNewerFrontend adds to an error about an unknown instruction or flag how a Dockerfile gets a newer frontend
// than this program's own. It does so only where that one stands in for docker/dockerfile:1.
//
// Nobody can tell whether the Dockerfile asks for a newer frontend or has a typing error.
func explainNewerFrontend(text []byte, err error) error {
	message := err.Error()
	isUnknown := strings.Contains(message, "unknown instruction: ") || strings.Contains(message, "unknown flag: ")
	if _, ok := officialSyntax(text); !ok || !isUnknown {
		return err
	}
	return fmt.Errorf("%w: the Dockerfile frontend here is 1.%d; "+
		"for a newer one name its version, as # syntax=docker/dockerfile:1.%d", err, frontendMinor, frontendMinor+1)
}

// lineOf returns the line of the Dockerfile that an error of the parser is about, 0 if it names none.
func lineOf(err error) int {
	var located *parser.LocationError
	if !errors.As(err, &located) || len(located.Locations) == 0 || len(located.Locations[0]) == 0 {
		return 0
	}
	return located.Locations[0][0].Start.Line
}

// withLine puts the line in front of an error of the parser, once.
func withLine(err error) error {
	line := lineOf(err)
	if line == 0 {
		return err
	}
	text := strings.TrimPrefix(err.Error(), fmt.Sprintf("dockerfile parse error on line %d: ", line))
	return fmt.Errorf("line %d: %s", line, text)
}
