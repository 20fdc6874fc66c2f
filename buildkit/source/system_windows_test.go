package source

import (
	"errors"
	"fmt"
	"os"
)

// makeFIFO returns errors.ErrUnsupported: folders on Windows hold none.
func makeFIFO(string) error { return fmt.Errorf("a FIFO in a folder: %w", errors.ErrUnsupported) }

// peakMegabytes returns 0: Windows does not tell.
func peakMegabytes(*os.ProcessState) float64 { return 0 }
