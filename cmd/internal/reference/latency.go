package reference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A Latency is a distribution of added delays. The zero value adds none.
//
//	5ms                   always 5 ms
//	uniform(1ms,10ms)     any delay from 1 ms to 10 ms alike
//	lognormal(20ms,0.5)   median 20 ms; the logarithm has the standard deviation 0.5
//
// The quantile q of lognormal(m,s) is m*exp(s*z), z the normal quantile: p99 of lognormal(20ms,0.5) is
// 20 ms * exp(0.5*2.326) = 64 ms.
type Latency struct {
	shape     string        // "" (constant), "uniform", "lognormal"
	low, high time.Duration // the constant or median is low
	sigma     float64
}

// ParseLatency reads the forms above; "" and "0" are none.
func ParseLatency(text string) (Latency, error) {
	fail := func(why string) (Latency, error) {
		return Latency{}, fmt.Errorf("latency %q: %s; say 5ms, uniform(1ms,10ms) or lognormal(20ms,0.5)", text, why)
	}
	shape, rest, hasArgs := strings.Cut(strings.ReplaceAll(text, " ", ""), "(")
	if !hasArgs {
		if text == "" {
			return Latency{}, nil
		}
		d, err := time.ParseDuration(shape)
		if err != nil || d < 0 {
			return fail("not a duration of 0 or more")
		}
		return Latency{low: d}, nil
	}
	args, closed := strings.CutSuffix(rest, ")")
	first, second, two := strings.Cut(args, ",")
	if !closed || !two {
		return fail("not of the form shape(a,b)")
	}
	low, err := time.ParseDuration(first)
	if err != nil || low < 0 || low > time.Hour {
		return fail("the first number is no duration from 0 to 1h")
	}
	switch shape {
	case "uniform":
		high, err := time.ParseDuration(second)
		if err != nil || high < low {
			return fail("the second number is no duration above the first")
		}
		return Latency{shape: shape, low: low, high: high}, nil
	case "lognormal":
		sigma, err := strconv.ParseFloat(second, 64)
		if err != nil || !(sigma >= 0 && sigma <= 3) {
			return fail("the second number is not from 0 to 3")
		}
		return Latency{shape: shape, low: low, sigma: sigma}, nil
	}
	return fail("unknown shape")
}

// String is a form that ParseLatency reads as the same distribution.
func (l Latency) String() string {
	switch l.shape {
	case "uniform":
		return fmt.Sprintf("uniform(%v,%v)", l.low, l.high)
	case "lognormal":
		return fmt.Sprintf("lognormal(%v,%v)", l.low, l.sigma)
	}
	if l.low == 0 {
		return ""
	}
	return l.low.String()
}

// Set and Type, with String, make a Latency a command line flag.
func (l *Latency) Set(text string) (err error) {
	*l, err = ParseLatency(text)
	return err
}

// Type is the word for the value in a command's help.
func (*Latency) Type() string { return "distribution" }

func (l Latency) sample(rng *rand.Rand) time.Duration {
	switch l.shape {
	case "uniform":
		return l.low + time.Duration(rng.Int64N(int64(l.high-l.low)+1))
	case "lognormal":
		return time.Duration(float64(l.low) * math.Exp(l.sigma*rng.NormFloat64()))
	}
	return l.low
}
