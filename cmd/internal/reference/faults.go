package reference

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Faults are what is made to go wrong under /api/; the zero value is nothing. Shares are fractions of requests, from 0 to
// 1. Each request's fate is drawn independently from a generator seeded with Seed, and counted in [Stats].
type Faults struct {
	Latency Latency // added to every request before its work

	// During [k*StallEvery, k*StallEvery+StallFor) after the start, k >= 1, nothing is begun or answered.
	StallEvery, StallFor time.Duration

	ErrorShare float64 // answered 503 without work
	ResetShare float64 // connection reset by RST without work
	HangShare  float64 // never answered: held until the client or the server leaves
	DropWrites float64 // answered 201 like the others, but nothing is written

	SlowQueryShare float64 // executes an additional statement that takes SlowQueryFor
	SlowQueryFor   time.Duration

	Capacity    float64 // requests begun a second at most, evenly; the others queue without bound; 0 is no limit
	EchoSecrets bool    // error answers repeat the request's body and Authorization header, as careless servers do
	Seed        uint64
}

func (f Faults) validate() error {
	var errs []error
	for _, s := range []struct {
		name  string
		share float64
	}{{"error share", f.ErrorShare}, {"reset share", f.ResetShare}, {"hang share", f.HangShare},
		{"errors, resets and hangs together", f.ErrorShare + f.ResetShare + f.HangShare},
		{"share of dropped writes", f.DropWrites}, {"share of slow queries", f.SlowQueryShare}} {
		if !(s.share >= 0 && s.share <= 1) {
			errs = append(errs, fmt.Errorf("%s: %v is not from 0 to 1", s.name, s.share))
		}
	}
	if f.StallFor < 0 || f.StallEvery < 0 || f.StallFor > 0 && f.StallFor >= f.StallEvery {
		errs = append(errs, fmt.Errorf("stall of %v every %v: must be shorter than its period", f.StallFor, f.StallEvery))
	}
	if f.SlowQueryShare > 0 && f.SlowQueryFor <= 0 {
		errs = append(errs, errors.New("slow queries have no duration"))
	}
	if !(f.Capacity >= 0) {
		errs = append(errs, fmt.Errorf("capacity %v is below 0", f.Capacity))
	}
	return errors.Join(errs...)
}

// Flags adds a flag for each fault.
func (f *Faults) Flags(fs *pflag.FlagSet) {
	fs.Var(&f.Latency, "latency", "delay added to every request: 5ms, uniform(1ms,10ms) or lognormal(20ms,0.5), which is median and sigma")
	fs.Var((*stall)(f), "stall", "answer nothing for a while, as `FOR/EVERY`: 200ms/2s")
	fs.Var((*share)(&f.ErrorShare), "error-share", "share of requests answered with 503: 0.2% or 0.002")
	fs.Var((*share)(&f.ResetShare), "reset-share", "share of requests whose connection is reset")
	fs.Var((*share)(&f.HangShare), "hang-share", "share of requests that are never answered")
	fs.Var((*share)(&f.DropWrites), "drop-writes", "share of requests answered 201 without writing")
	fs.Var((*share)(&f.SlowQueryShare), "slow-query-share", "share of requests that execute an additional slow statement")
	fs.DurationVar(&f.SlowQueryFor, "slow-query-for", f.SlowQueryFor, "how long the slow statement takes")
	fs.Float64Var(&f.Capacity, "capacity", f.Capacity, "requests a second that are served at most, the rest queues (0: no limit)")
	fs.BoolVar(&f.EchoSecrets, "echo-secrets", f.EchoSecrets, "repeat body and Authorization header of the request in error answers")
	fs.Uint64Var(&f.Seed, "fault-seed", f.Seed, "seed of the faults' random numbers")
}

// A share is a flag that reads 0.2% as well as 0.002.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *share) Type() string   { return "share" }

func (s *share) Set(text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("not a share; say 0.2% or 0.002")
	}
	*s = share(v)
	return nil
}

// A stall is the flag for StallFor and StallEvery.
type stall Faults

func (s *stall) Type() string { return "FOR/EVERY" }

func (s *stall) String() string {
	if s.StallFor == 0 {
		return ""
	}
	return s.StallFor.String() + "/" + s.StallEvery.String()
}

func (s *stall) Set(text string) error {
	first, second, _ := strings.Cut(text, "/")
	length, err1 := time.ParseDuration(first)
	every, err2 := time.ParseDuration(second)
	if err1 != nil || err2 != nil || length <= 0 || every <= length {
		return errors.New("not a stall; say 200ms/2s, for 200 ms in every 2 s")
	}
	s.StallFor, s.StallEvery = length, every
	return nil
}
