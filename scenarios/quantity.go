package scenarios

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The parsers of this file return errors that complete a sentence beginning with the
// value: `"100" is a bare number: write 100/s`.

// The bounds of what a plan may ask for. They are far beyond any system this tool is for,
// and near enough that a slip of the unit is noticed and every schedule can be counted.
const (
	maxRate     = 1e6                 // arrivals per second of one scenario
	maxShare    = 10                  // 1000% of a load's rate
	maxDuration = 30 * 24 * time.Hour // of a phase
	maxWait     = time.Hour           // a timeout or a lag
	maxInFlight = 100_000
	maxSessions = 100_000
	maxPhases   = 1000
)

// decimal is a number as people write it: no hexadecimal, no infinity, no underscores.
var decimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// parseDecimal parses s times 10^exp, correctly rounded.
func parseDecimal(s string, exp int) (float64, bool) {
	if !decimal.MatchString(s) {
		return 0, false
	}
	if mantissa, e, ok := strings.Cut(strings.ToLower(s), "e"); ok {
		n, err := strconv.Atoi(e)
		if err != nil {
			return 0, false
		}
		s, exp = mantissa, exp+n
	}
	v, err := strconv.ParseFloat(s+"e"+strconv.Itoa(exp), 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// parseRate parses "100/s", "30/m" or "5/h" into arrivals per second.
func parseRate(s string) (float64, error) {
	count, unit, ok := strings.Cut(s, "/")
	count, unit = strings.TrimSpace(count), strings.TrimSpace(unit)
	n, isNumber := parseDecimal(count, 0)
	switch {
	case !ok && isNumber:
		return 0, fmt.Errorf("is a bare number: write %s/s, %s/m or %s/h", count, count, count)
	case !isNumber:
		return 0, errors.New("is no rate: write a number per second, minute or hour, such as 100/s")
	}
	seconds, ok := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if !ok {
		return 0, fmt.Errorf("has no known unit: write %s/s, %s/m or %s/h", count, count, count)
	}
	rate := n / seconds
	switch {
	case n == 0:
		return 0, errors.New("is no load: write a rate above 0, or remove the line")
	case !(rate > 0):
		return 0, errors.New("is below 0: write a rate such as 100/s")
	case rate > maxRate:
		return 0, errors.New("is an impossible rate: write at most 1000000/s")
	}
	return rate, nil
}

// parseShare parses "10%" or "0.1" into a fraction.
func parseShare(s string) (float64, error) {
	text, percent := strings.CutSuffix(s, "%")
	text = strings.TrimSpace(text)
	exp := 0
	if percent {
		exp = -2
	}
	v, ok := parseDecimal(text, exp)
	switch {
	case !ok:
		return 0, errors.New("is no share of the rate: write 50% or 0.5")
	case v < 0:
		return 0, errors.New("is below 0: write a share such as 50%")
	case v > maxShare && !percent:
		return 0, fmt.Errorf("is %s times the rate: write %s%%", text, text)
	case v > 1 && !percent:
		// "10" is meant as 10% more often than as ten times the rate.
		return 0, fmt.Errorf("is %s times the rate: write %s%%, or %s%% if the multiple is meant", text, text, strconv.FormatFloat(v*100, 'g', 6, 64))
	case v > maxShare:
		return 0, errors.New("is an impossible share: write at most 1000%")
	}
	return v, nil
}

// parsePositiveDuration parses "10s", which must be above 0 and at most limit.
func parsePositiveDuration(limit time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		_, bare := parseDecimal(s, 0)
		switch {
		case bare: // "0" too, which ParseDuration accepts
			return 0, fmt.Errorf("has no unit: write %ss or %sms", s, s)
		case err != nil:
			return 0, errors.New("is no duration: write a number with a unit, such as 500ms, 10s or 1h30m")
		case d <= 0:
			return 0, errors.New("is not above 0: write a duration such as 10s")
		case d > limit:
			return 0, fmt.Errorf("is too long: write at most %s", formatDuration(limit))
		}
		return d, nil
	}
}

// formatDuration is d.String without the zero units at its end: 1m for 1m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseCount parses a whole number from low to high.
func parseCount(low, high int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil:
			return 0, fmt.Errorf("is no whole number: write one from %d to %d", low, high)
		case n < low || n > high:
			return 0, fmt.Errorf("is out of range: write a whole number from %d to %d", low, high)
		}
		return n, nil
	}
}

func parseSeed(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("is no seed: write a whole number from 0 to 18446744073709551615, such as 42")
	}
	return n, nil
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("is neither true nor false: write one of them")
}

// identifier is a name that can be a tag of the interval log and a file's name.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func parseName(s string) (string, error) {
	if !identifier.MatchString(s) {
		return "", errors.New("is no name: write 1 to 64 letters, digits, - or _, such as arq-baseline")
	}
	return s, nil
}

// formatRate and formatShare write what parseRate and parseShare read back exactly.
func formatRate(v float64) string { return formatFloat(v) + "/s" }

func formatShare(v float64) string {
	percent, _ := parseDecimal(formatFloat(v), 2)
	text := formatFloat(percent) + "%"
	if back, err := parseShare(text); err == nil && back == v {
		return text
	}
	return formatFloat(v)
}

// formatFloat is the shortest text that reads back as v, without an exponent.
func formatFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
