package analysis

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// duration prints a duration with three significant digits: 1.23ms, 180ms, 2s.
func duration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	unit := time.Duration(1)
	for x := d.Abs(); x >= 1000; x /= 10 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// percent prints a share: 0.0123 is 1.23%.
func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 4, 64) + "%"
}

// plural prints a count with its noun.
func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// some names the first of a list, and how many more there are: a, b and 5 more.
func some(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}
