package source

import (
	"errors"
	"fmt"
	"os"
)

// makeFIFO returns errors.ErrUnsupported: folders on Windows hold no FIFO.
func makeFIFO(string) error { return fmt.Errorf("a FIFO in a folder: %w", errors.ErrUnsupported) }

// peakMegabytes returns 0: Windows does not tell the peak.
func peakMegabytes(*os.ProcessState) float64 { return 0 }
