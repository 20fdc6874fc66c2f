package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

const imageType = "buildkit:index:Image"

// show prints a line for each finished image and for each error, until the channel is closed.
func show(out io.Writer, updates <-chan events.EngineEvent) {
	finished := 0
	for event := range updates {
		switch {
		case event.ResOutputsEvent != nil && event.ResOutputsEvent.Metadata.Type == imageType:
			finished++
			image := event.ResOutputsEvent.Metadata
			fmt.Fprintf(out, "[%d/%d] %s: %s\n", finished, len(imageNames()), resourceName(image.URN),
				outcome(image.Op))
		case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "error":
			fmt.Fprintf(out, "%s: %s", resourceName(event.DiagnosticEvent.URN), event.DiagnosticEvent.Message)
		}
	}
}

// resourceName returns the last part of a URN.
func resourceName(urn string) string { return urn[strings.LastIndex(urn, ":")+1:] }

// outcome says what the update did to an image.
func outcome(op apitype.OpType) string {
	switch op {
	case apitype.OpSame:
		return "unchanged"
	case apitype.OpCreate:
		return "built"
	case apitype.OpUpdate:
		return "updated"
	}
	return string(op)
}
