// Package scenarios declares what to send and what to demand: the plan, its phases,
// scenarios, steps and objectives. [Load] reports every mistake with file, line and
// field before anything is sent.
package scenarios

import (
	"fmt"
	"time"

	"arqload/scenarios/schedule"
)

// Plan is one resolved plan: which system, which load, for how long, what is demanded.
// A Plan that Load or Parse returned is valid; nothing in it needs checking again.
type Plan struct {
	Version    int
	Name       string
	System     System
	Load       []LoadLine
	Sessions   int
	Arrivals   Arrivals
	Phases     []Phase
	Limits     Limits
	StopWhen   []Guard // each ends the run at once when it is breached
	Objectives []Objective
	// Scenarios holds every scenario the run may need, by name: those that Load names
	// and those that prepare sessions (auth, dialogue), built in or the plan's own.
	Scenarios map[string]*Scenario

	secrets *found // behind a pointer, which no formatting follows
}

// found are the secret values met while a plan was read.
type found struct{ values []string }

// System says where the system under test is and how to enter it.
type System struct {
	BaseURL  string // scheme, host and perhaps a path to put before every step's; no trailing slash
	Username string
	Password Secret
	Postgres Secret // connection string; empty: no collector
	Redis    Secret // connection string; empty: no collector
	HTTP2    bool
	CAFile   string // PEM file of certificate authorities to trust beside the system's; empty: none

	PostgresReplica Secret   // connection string of a streaming replica of Postgres; empty: its lag is not measured
	RedisProbeKey   string   // key that may be written to measure how long replicas take; empty: not measured
	Hosts           []string // [LocalHost] or the URL of a Prometheus node exporter, each
	Metrics         []string // URLs of Prometheus text endpoints of the application
}

// LocalHost stands among System.Hosts for the machine that arqload runs on.
const LocalHost = "local"

// LoadLine is one scenario at one rate.
type LoadLine struct {
	Scenario string
	Rate     float64 // arrivals per second at 100%
	InFlight int     // slots of this scenario, already defaulted from Limits.InFlight
}

// Process names how arrivals are spaced around the schedule's rate.
type Process string

// The arrival processes.
const (
	Constant Process = "constant" // evenly spaced
	Poisson  Process = "poisson"  // exponential gaps, as independent users make
)

// Arrivals is the arrival process and the seed that makes a Poisson run repeatable.
type Arrivals struct {
	Process Process
	Seed    uint64
}

// Phase is a stretch of the schedule with one shape.
type Phase struct {
	Name     string
	Duration time.Duration
	// From and To are the shares of each load's rate at the phase's start and end;
	// 1 is 100%. Equal for a constant phase. Unused where Steps is set.
	From, To float64
	Steps    []float64 // shares of the rate, each held for Duration/len(Steps)
	Judged   bool
}

// Limits bounds what the drive may do.
type Limits struct {
	InFlight int           // arrivals of one scenario in flight
	Timeout  time.Duration // of a step, from its send
	MaxLag   time.Duration // an arrival later than this at its start is shed
}

// Scenario is a named list of HTTP steps run in order inside one arrival.
type Scenario struct {
	Name  string
	Steps []Step
}

// Step is one HTTP request with what it expects and captures.
type Step struct {
	Name    string
	Method  string
	Path    *Template   // escaped as URL path segments and query values
	Headers []Header    // sorted by name
	Body    *Template   // nil: no body
	JSON    bool        // Body was given as json: the Content-Type is application/json unless a header says otherwise
	Status  []int       // accepted status codes; never empty
	Expect  []JSONCheck // values the answer's JSON must have
	Capture []Capture   // sorted by variable
	// Creates says how many rows one success adds, by table: a declaration for
	// `validate`, not checked against the system.
	Creates map[string]int
}

// Header is one request header.
type Header struct {
	Name  string // canonical form
	Value *Template
}

// JSONCheck demands that the answer's value at Path (gjson) equals Value, compared as
// JSON values: numbers as numbers, strings as strings.
type JSONCheck struct {
	Path string
	Want string // JSON text of the wanted value

	saved string // Want as a saved plan has it, without secrets
}

// String returns the check without secrets, as an artefact may show it.
func (c JSONCheck) String() string {
	if c.saved == "" {
		return c.Path + ": " + c.Want
	}
	return c.Path + ": " + c.saved
}

// GoString is String, so that %#v shows no secret either.
func (c JSONCheck) GoString() string { return c.String() }

// Capture stores the first existing of Paths (gjson) in the variable Name.
type Capture struct {
	Name  string
	Paths []string
}

// Secret is a value that prints as [redacted] wherever it is formatted or encoded.
// Reveal gives the value itself; only the code that must send it may call that.
type Secret struct{ value string }

// Redacted is what stands in place of a secret.
const Redacted = "[redacted]"

// NewSecret wraps a value.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal returns the secret value itself.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == "" }

// String returns [redacted], or nothing where there is no secret.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return Redacted
}

// Format prints [redacted] for every verb, so that %#v and %x leak nothing either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText encodes as [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Judged returns the total length of the judged phases.
func (p *Plan) Judged() time.Duration {
	var d time.Duration
	for _, ph := range p.Phases {
		if ph.Judged {
			d += ph.Duration
		}
	}
	return d
}

// Duration returns the length of the whole schedule.
func (p *Plan) Duration() time.Duration {
	var d time.Duration
	for _, ph := range p.Phases {
		d += ph.Duration
	}
	return d
}

// Schedule returns the schedule of the i-th load line: all phases as one, staggered
// against the other lines by i/len(Load) of an interval so that scenarios do not start
// their arrivals in the same instant.
func (p *Plan) Schedule(i int) *schedule.Schedule {
	rate := p.Load[i].Rate
	var segs []schedule.Segment
	for _, ph := range p.Phases {
		if len(ph.Steps) == 0 {
			segs = append(segs, schedule.Segment{Length: ph.Duration, From: rate * ph.From, To: rate * ph.To})
			continue
		}
		// Cut at exact instants so that the steps' lengths add up to the phase's.
		n := time.Duration(len(ph.Steps))
		for j, share := range ph.Steps {
			a, b := ph.Duration*time.Duration(j)/n, ph.Duration*time.Duration(j+1)/n
			segs = append(segs, schedule.Segment{Length: b - a, From: rate * share, To: rate * share})
		}
	}
	return schedule.New(segs, float64(i)/float64(len(p.Load)))
}
