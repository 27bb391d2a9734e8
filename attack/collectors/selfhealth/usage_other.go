//go:build !unix

package selfhealth

import "time"

func processCPU() (time.Duration, bool) { return 0, false }

func maxFiles() (uint64, bool) { return 0, false }
