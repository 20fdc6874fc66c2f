package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

const image = "buildkit:index:Image"

// show prints a line for each image that the update is done with, and what went wrong.
func show(out io.Writer, happened <-chan events.EngineEvent) {
	done := 0
	for event := range happened {
		switch {
		case event.ResOutputsEvent != nil && event.ResOutputsEvent.Metadata.Type == image:
			done++
			fmt.Fprintf(out, "[%d/%d] %s: %s\n", done, len(names()), name(event.ResOutputsEvent.Metadata.URN), did(event.ResOutputsEvent.Metadata.Op))
		case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "error":
			fmt.Fprintf(out, "%s: %s", name(event.DiagnosticEvent.URN), event.DiagnosticEvent.Message)
		}
	}
}

// name is what follows the last "::" of a URN.
func name(urn string) string { return urn[strings.LastIndex(urn, ":")+1:] }

func did(op apitype.OpType) string {
	switch op {
	case apitype.OpSame:
		return "as it was"
	case apitype.OpCreate:
		return "built"
	case apitype.OpUpdate:
		return "updated"
	}
	return string(op)
}
