package analysis

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// Gate looks, while a run is being recorded, whether its verdict is known already. It takes
// the record as an [observation.Recorder] does; Look is called beside that, by one goroutine.
type Gate struct {
	objectives []scenarios.Objective

	mu    sync.Mutex
	inbox inbox // what was recorded since the last look

	// The rest is Look's alone.
	record observation.Memory
	latest Knowledge
	full   time.Duration // the judged time at the last look at what the collectors saw
	seen   []Result      // of that look
	ripe   bool          // at the last look the load's objectives were decided
}

// inbox is a part of a record. It keeps a look, which may take long, from holding up the
// recording.
type inbox struct {
	header  *observation.Header
	seconds []heard
	samples []observation.Sample
}

type heard struct {
	second    observation.Second
	intervals []observation.Interval
}

// Knowledge is what a look has found.
type Knowledge struct {
	Verdict  Judgement // Pass or Fail; "": not known yet
	Why      string    // where it is known
	Judged   time.Duration
	Proved   int      // of the required objectives
	Required int      // how many there are
	Open     []Result // those that are neither met nor missed
	Waiting  string   // what a pass waits for beside them; "": nothing
}

// A look at the collectors' samples decodes all of them, and takes the longer the longer the
// run is. So the judged time between two of them grows with it: they take in all no more than
// 1/collectedShare times the last one.
const (
	collectedShare = 0.05
	collectedEvery = 5 * time.Second // at least, while the load's own objectives are open
)

// behindBy is how far a look at the samples stays behind the latest closed second: what a
// database did in a second is told by the samples up to 2 s after it.
const behindBy = settle

// NewGate makes the gate of a plan.
func NewGate(p *scenarios.Plan) *Gate {
	return &Gate{objectives: p.Objectives, record: observation.Memory{TotalsOnly: true}}
}

// Uneven says whether the judged load changes, or comes in parts: what is judged after other
// load, a peak or a pause, shows how the system comes out of it. What was seen of the judged load
// then says nothing about what is still to come.
func Uneven(phases []scenarios.Phase) bool {
	var shares []float64
	parts, judged := 0, false
	for _, ph := range phases {
		if ph.Judged && !judged {
			parts++
		}
		judged = ph.Judged
		switch {
		case !ph.Judged:
		case len(ph.Steps) > 0:
			shares = append(shares, ph.Steps...)
		default:
			shares = append(shares, ph.From, ph.To)
		}
	}
	return parts > 1 || slices.ContainsFunc(shares, func(s float64) bool { return s != shares[0] })
}

// Begin takes the header.
func (g *Gate) Begin(h observation.Header) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inbox.header = &h
}

// Second takes a closed second; the histograms are copied.
func (g *Gate) Second(s observation.Second, intervals []observation.Interval) {
	own := make([]observation.Interval, len(intervals))
	for i, v := range intervals {
		own[i] = observation.Interval{Series: v.Series, Hist: hist.New()}
		own[i].Hist.Merge(v.Hist)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inbox.seconds = append(g.inbox.seconds, heard{s, own})
}

// Sample takes a sample.
func (g *Gate) Sample(s observation.Sample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inbox.samples = append(g.inbox.samples, s)
}

// take moves the inbox into the record, and reports whether a second was in it.
func (g *Gate) take() bool {
	g.mu.Lock()
	in := g.inbox
	g.inbox = inbox{}
	g.mu.Unlock()
	// Memory returns no errors.
	if in.header != nil {
		_ = g.record.Begin(*in.header)
	}
	for _, s := range in.seconds {
		_ = g.record.Second(s.second, s.intervals)
	}
	for _, s := range in.samples {
		_ = g.record.Sample(s)
	}
	return len(in.seconds) > 0
}

// Look judges the record as if the run had been ended with its latest closed second, by the
// same [Summarize] and [Judge] as at its end. The load's own objectives are looked at first;
// what the collectors saw only where these are decided, or now and then where the samples
// alone may disprove something. Nothing is decided outside of judged time, nor while the
// measurement is not valid.
func (g *Gate) Look() Knowledge {
	if !g.take() {
		return g.latest
	}
	last := &g.record.Run.Seconds[len(g.record.Run.Seconds)-1]
	if !last.Judged {
		return g.latest
	}
	run := g.record.Run // as it is now: a later second does not change these slices' elements
	run.Footer = &observation.Footer{StoppedBy: observation.ByGate, StoppedAt: last.Start + last.Length}
	s := summarizeLoad(&run)
	k := Knowledge{Judged: s.Judged, Required: required(g.objectives)}

	var results []Result
	missed, open, samples := false, false, false
	for i, o := range g.objectives {
		var r Result
		switch {
		case ofLoad(o):
			r = s.JudgeObjective(o)
			missed = missed || o.Required && r.Outcome == Missed
			open = open || o.Required && r.Outcome != Met
		case g.seen != nil:
			r = g.seen[i]
		default:
			r = Result{Objective: o, Outcome: Unproven, Reason: "its samples were not looked at yet"}
		}
		samples = samples || o.Required && !ofLoad(o)
		results = append(results, r)
	}
	ripe := k.Required > 0 && (missed || !open)
	since := s.Judged - g.full
	due := since >= time.Duration(collectedShare*float64(s.Judged)) && (ripe || samples && since >= collectedEvery)
	if ripe && !g.ripe || due {
		results = g.decide(&k, s, &run)
	} else if ripe {
		k.Waiting = g.latest.Waiting
	}
	g.ripe = ripe
	k.tell(results)
	g.latest = k
	return k
}

// ofLoad says whether an objective is about the arrivals, which need no samples.
func ofLoad(o scenarios.Objective) bool {
	switch o.Metric {
	case scenarios.MetricQuantile, scenarios.MetricErrorRate, scenarios.MetricAvailability, scenarios.MetricThroughput:
		return true
	}
	return false
}

// decide judges in full.
func (g *Gate) decide(k *Knowledge, s *Summary, run *observation.Run) []Result {
	g.full = s.Judged
	s.collect(behind(run))
	s.Self = SummarizeSelf(run) // the generator's own samples are there at once
	v := Judge(s, g.objectives)
	g.seen = v.Results
	if known, _ := asked(run, "selfhealth", ""); known && !s.Self.Available {
		k.Waiting = "the generator's own CPU is not known yet: " + s.Self.Reason
		return v.Results
	}
	switch v.Judgement {
	case Fail:
		k.Verdict, k.Why = Fail, missedWords(v.Results)
	case Invalid:
		k.Waiting = "nothing is decided while the measurement cannot be trusted: " + s.Invalid(g.objectives)[0]
	case Pass:
		k.Verdict, k.Why = Pass, fmt.Sprintf("all %d required objectives are met after %s judged", k.Required, duration(s.Judged))
	case Inconclusive:
		if !slices.ContainsFunc(v.Results, func(r Result) bool { return r.Objective.Required && r.Outcome != Met }) {
			k.Waiting = s.unseen()
		}
	}
	return v.Results
}

// behind is a run without its latest seconds, but with all samples.
func behind(run *observation.Run) *observation.Run {
	b := *run
	end := run.Footer.StoppedAt.Duration() - behindBy
	n := len(b.Seconds)
	for n > 0 && (b.Seconds[n-1].Start+b.Seconds[n-1].Length).Duration() > end {
		n--
	}
	b.Seconds = b.Seconds[:n]
	return &b
}

func missedWords(results []Result) string {
	var all []string
	for _, r := range results {
		if r.Objective.Required && r.Outcome == Missed {
			all = append(all, r.Objective.Text)
		}
	}
	return some(all) + map[bool]string{true: " is missed", false: " are missed"}[len(all) == 1]
}

// tell counts what is proved and what is not.
func (k *Knowledge) tell(results []Result) {
	for _, r := range results {
		if !r.Objective.Required {
			continue
		}
		switch r.Outcome {
		case Met:
			k.Proved++
		case Missed:
		default:
			k.Open = append(k.Open, r)
		}
	}
}

// String is a line for people: "7 of 9 proved; error_rate < 0.05% needs about 9 s more".
func (k Knowledge) String() string {
	if k.Judged == 0 {
		return "nothing is judged yet"
	}
	parts := []string{fmt.Sprintf("%d of %d proved", k.Proved, k.Required)}
	switch {
	case k.Verdict != "":
		parts = append(parts, k.Why)
	case k.Waiting != "":
		parts = append(parts, k.Waiting)
	case len(k.Open) > 0:
		parts = append(parts, k.farthest())
	}
	return strings.Join(parts, "; ")
}

// farthest tells of the open objective that needs most: one that no time is known for before
// one that has some.
func (k Knowledge) farthest() string {
	worst := k.Open[0]
	for _, r := range k.Open {
		if (r.MissingSeconds == 0) != (worst.MissingSeconds == 0) {
			if r.MissingSeconds == 0 {
				worst = r
			}
		} else if r.MissingSeconds > worst.MissingSeconds {
			worst = r
		}
	}
	text := worst.Objective.Text
	switch {
	case worst.Outcome == NoData:
		text += " has no data so far"
	case worst.MissingSeconds > 0:
		text += fmt.Sprintf(" needs about %.0f s more", worst.MissingSeconds)
	default:
		text += " is unproven"
	}
	if n := len(k.Open) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}
