package analysis

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// Summary is what an observation says, before anything is demanded of it. All its counts
// cover the judged phases only, except Generator.Whole.
type Summary struct {
	Header      observation.Header
	Duration    time.Duration    // of the whole run, drain included
	Judged      time.Duration    // length of the judged phases that were reached
	Interrupted bool             // stopped by a person
	StoppedBy   observation.Stop // who ended the run before its plan's end; "": nobody
	StoppedAt   time.Duration    // since when nothing was started
	StoppedWhy  string
	Breach      string                // of a guard of the plan, also where somebody else had ended the run
	after       []*observation.Second // see collapsed
	Partial     bool                  // the record has no end: the process died
	Generator   Generator
	Total       Population
	Scenarios   map[string]*ScenarioSummary
	Phases      []PhaseSummary
	Connections observation.Connections
	Addresses   map[string]uint64 // HTTP requests by remote address, whole run
	Sessions    int               // prepared before the load
	Renewals    observation.Renewals
	Database    Database
	Cache       Cache
	Hosts       Hosts
	Application Application
	Self        Self
	// Series are what the collectors saw, over the whole run; Measures are the metrics of
	// the catalogue over the judged time, by name.
	Series   []Series
	Measures map[string]Measure
	Movement Movement // what moved when the latency did
	// Steadiness is whether what was judged held still.
	Steadiness Steadiness
	Errors     []observation.Example
	Slowest    []observation.Slow
	Warnings   []string
	// Damage says why the record contradicts itself; a run with damage is invalid.
	Damage []string
}

// ScenarioSummary is one scenario and its steps.
type ScenarioSummary struct {
	Lane observation.Lane
	Population
	Steps map[string]*Population
}

// PhaseSummary is one phase, judged or not.
type PhaseSummary struct {
	observation.Phase
	observation.Tally
	OKPerS float64
}

// Population is a set of arrivals, or of one step's calls.
type Population struct {
	observation.Tally
	NotReached  uint64 // of a step: arrivals in which an earlier step had failed
	Requests    uint64 // HTTP requests sent for them
	CompletedOK uint64 // successful HTTP responses that ended in judged seconds
	// Response and Service hold the successes; of a step only Service is set, and judged.
	Response, Service *hist.Histogram
	seconds           []second
}

// Span says when failures of one class were planned, in judged time.
type Span struct {
	Count       uint64
	First, Last time.Duration // begin of the first and end of the last second that has some
	Worst       time.Duration // begin of the second that has most
	WorstCount  uint64
}

// Spans returns when the population's failures were planned, by class.
func (p *Population) Spans() map[observation.Class]Span {
	spans := map[observation.Class]Span{}
	for _, sec := range p.seconds {
		for class, n := range sec.tally.Errors {
			if n == 0 {
				continue
			}
			s, ok := spans[class]
			if !ok {
				s.First = sec.start.Duration()
			}
			s.Count += n
			s.Last = sec.start.Duration() + sec.length
			if n > s.WorstCount {
				s.Worst, s.WorstCount = sec.start.Duration(), n
			}
			spans[class] = s
		}
	}
	return spans
}

// second is a population's part of one judged second.
type second struct {
	start     observation.Seconds
	length    time.Duration
	late      time.Duration // the most that any arrival, of whatever scenario, started late in it
	tally     observation.Tally
	completed uint64
	// judged holds the histograms of its successes on the clock that is judged: response
	// time, of a step service time.
	judged []*hist.Histogram
}

// attach gives each second its histogram of a series.
func (p *Population) attach(by map[observation.Seconds]*hist.Histogram) {
	for i := range p.seconds {
		if h := by[p.seconds[i].start]; h != nil {
			p.seconds[i].judged = append(p.seconds[i].judged, h)
		}
	}
}

// Generator says how well the schedule was kept.
type Generator struct {
	observation.Tally // of the judged phases
	Lag, SlotWait     *hist.Histogram
	Heartbeat         *hist.Histogram   // lateness of a fixed tick in this process
	Whole             observation.Tally // of the whole run
	WholeLag          *hist.Histogram
	WholeSlotWait     *hist.Histogram
	InFlightMax       int
	BacklogMax        uint64
}

// maxCost is the share of one session's time from which watching the database is a warning.
const maxCost = 0.01

// Summarize turns an observation into its summary.
func Summarize(run *observation.Run) *Summary {
	s := summarizeLoad(run)
	s.collect(run)
	s.Series = slices.Concat(s.Database.Series, s.Cache.Series, s.Hosts.Series, s.Application.Series, loadSeries(run))
	s.Movement = move(run, s.Series)
	s.Steadiness = steadiness(run, s.Series)
	s.Warnings = append(s.Warnings, s.Steadiness.Warnings()...)
	s.Warnings = append(s.Warnings, s.floorWarnings()...)
	return s
}

// summarizeLoad is the part of it that needs no samples: arrivals and the schedule.
func summarizeLoad(run *observation.Run) *Summary {
	s := &Summary{Header: run.Header, Scenarios: map[string]*ScenarioSummary{}, Partial: run.Footer == nil,
		Errors: run.Errors, Slowest: run.Slowest, Warnings: append([]string(nil), run.Warnings...)}
	if f := run.Footer; f != nil {
		s.Interrupted, s.Addresses, s.Sessions, s.Renewals = f.Interrupted, f.Addresses, f.Sessions, f.Renewals
		s.StoppedBy, s.StoppedAt, s.StoppedWhy = f.Early(), f.StoppedAt.Duration(), f.StoppedWhy
		s.Breach = f.Breach
		s.Warnings = append(s.Warnings, footerWarnings(f)...)
	}
	for _, l := range run.Header.Lanes {
		sc := &ScenarioSummary{Lane: l, Steps: map[string]*Population{}}
		for _, name := range l.Steps {
			sc.Steps[name] = &Population{}
		}
		s.Scenarios[l.Scenario] = sc
	}
	for i := range run.Seconds {
		s.addSecond(&run.Seconds[i])
	}
	if run.Footer != nil {
		s.Duration = run.Footer.Ended.Duration()
	}
	s.after = afterwards(run)
	s.phases(run)
	s.histograms(run)
	s.check(run)
	s.Warnings = append(s.Warnings, backlogWarnings(run)...)
	return s
}

// collect adds what the collectors saw in the judged time.
func (s *Summary) collect(run *observation.Run) {
	s.Database, s.Cache, s.Self = SummarizeDatabase(run), SummarizeCache(run), SummarizeSelf(run)
	s.Hosts, s.Application = SummarizeHosts(run), SummarizeApplication(run)
	s.Database.perArrival(s.Total.Sent)
	if s.Database.lateFailures = s.lateFailures(); s.Database.lateFailures > 0 {
		s.Database.publishedLate()
	}
	if c := s.Database.Cost; c.OK && c.OfTime >= maxCost {
		s.Warnings = append(s.Warnings, fmt.Sprintf("watching PostgreSQL took %s of one session's time: a part of what was measured is the measuring", percent(c.OfTime)))
	}
	if s.Total.OK > 0 && s.Database.silentDatabase() {
		s.Warnings = append(s.Warnings, fmt.Sprintf("the database %q ran no statement while %s succeeded: is it the one that the system uses?", s.Database.Name, plural(s.Total.OK, "arrival")))
	}
	s.Measures = map[string]Measure{}
	for _, m := range []map[string]Measure{s.Database.Measures, s.Cache.Measures, s.Hosts.Measures} {
		maps.Copy(s.Measures, m)
	}
	if !s.Self.Available && s.Judged > 0 {
		s.Warnings = append(s.Warnings, "the generator's own CPU was not measured, so a slow generator may look like a slow system: "+s.Self.Reason)
	}
}

func (s *Summary) addSecond(sec *observation.Second) {
	if sec.Completed > 0 || sec.Phase != "" {
		s.Duration = max(s.Duration, (sec.Start + sec.Length).Duration())
	}
	s.Generator.Whole.Add(&sec.Tally)
	if !sec.Judged {
		return
	}
	s.Judged += sec.Length.Duration()
	s.Generator.Tally.Add(&sec.Tally)
	s.Generator.InFlightMax = max(s.Generator.InFlightMax, sec.InFlightMax)
	s.Generator.BacklogMax = max(s.Generator.BacklogMax, sec.Backlog)
	addConnections(&s.Connections, &sec.Connections)
	s.Total.add(sec, &sec.Tally, sec.Requests, sec.CompletedOK)
	for name, ls := range sec.Scenarios {
		sc := s.Scenarios[name]
		if sc == nil {
			s.Damage = append(s.Damage, fmt.Sprintf("second %.0f counts the scenario %q, which the header does not have", sec.Start.Duration().Seconds(), name))
			continue
		}
		sc.add(sec, &ls.Tally, ls.Requests, ls.CompletedOK)
		for step, t := range ls.Steps {
			if p := sc.Steps[step]; p != nil {
				p.NotReached += t.NotReached
				p.add(sec, &observation.Tally{Planned: t.OK + t.Failed, Sent: t.OK + t.Failed, Results: t.Results}, t.OK+t.Failed, t.CompletedOK)
			}
		}
	}
}

// lateFailures counts the arrivals that failed so shortly before the end of the load that a
// transaction rolled back for them may not be published by the database.
func (s *Summary) lateFailures() int64 {
	var n uint64
	for i := len(s.Total.seconds) - 1; i >= 0; i-- {
		sec := &s.Total.seconds[i]
		if sec.start.Duration()+sec.length+unpublished <= s.Duration {
			break
		}
		n += sec.tally.Failed - sec.tally.Errors[observation.Canceled]
	}
	return int64(n)
}

func (p *Population) add(sec *observation.Second, t *observation.Tally, requests, completed uint64) {
	p.Tally.Add(t)
	p.Requests += requests
	p.CompletedOK += completed
	p.seconds = append(p.seconds, second{start: sec.Start, length: sec.Length.Duration(), late: (sec.Lag.Max + sec.SlotWait.Max).Duration(), tally: *t, completed: completed})
}

func addConnections(to, c *observation.Connections) {
	to.New += c.New
	to.Reused += c.Reused
	to.Connect += c.Connect
	to.TLS += c.TLS
	to.ConnectMax = max(to.ConnectMax, c.ConnectMax)
	to.TLSMax = max(to.TLSMax, c.TLSMax)
}

func (s *Summary) phases(run *observation.Run) {
	for _, ph := range run.Header.Phases {
		p := PhaseSummary{Phase: ph}
		var completed uint64
		var length time.Duration
		for i := range run.Seconds {
			if sec := &run.Seconds[i]; sec.Start >= ph.Start && sec.Start < ph.End {
				p.Tally.Add(&sec.Tally)
				if s.StoppedBy != "" && sec.Start.Duration() >= s.StoppedAt {
					continue // no load: a rate over it would look like a slow system
				}
				completed += sec.CompletedOK
				length += sec.Length.Duration()
				if s.StoppedBy != "" {
					length -= max(0, (sec.Start+sec.Length).Duration()-s.StoppedAt)
				}
			}
		}
		if length > 0 {
			p.OKPerS = float64(completed) / length.Seconds()
		}
		s.Phases = append(s.Phases, p)
	}
}

// histograms hands each population its own, and merges the totals.
func (s *Summary) histograms(run *observation.Run) {
	get := func(from observation.Latency, scenario, step string, o observation.Outcome, c observation.Clock) *hist.Histogram {
		if h := from[observation.Series{Scenario: scenario, Step: step, Outcome: o, Clock: c}]; h != nil {
			return h
		}
		return hist.New()
	}
	s.Total.Response, s.Total.Service = hist.New(), hist.New()
	g := &s.Generator
	g.Lag, g.SlotWait, g.WholeLag, g.WholeSlotWait = hist.New(), hist.New(), hist.New(), hist.New()
	g.Heartbeat = hist.New()
	if h := run.Latency[observation.Heartbeat]; h != nil {
		g.Heartbeat = h
	}
	for name, sc := range s.Scenarios {
		perSecond := func(step string, c observation.Clock) map[observation.Seconds]*hist.Histogram {
			return run.PerSecond[observation.Series{Scenario: name, Step: step, Outcome: observation.OK, Clock: c}]
		}
		sc.attach(perSecond(observation.All, observation.Response))
		s.Total.attach(perSecond(observation.All, observation.Response))
		sc.Response = get(run.Latency, name, observation.All, observation.OK, observation.Response)
		sc.Service = get(run.Latency, name, observation.All, observation.OK, observation.Service)
		s.Total.Response.Merge(sc.Response)
		s.Total.Service.Merge(sc.Service)
		for step, p := range sc.Steps {
			p.attach(perSecond(step, observation.Service))
			p.Service = get(run.Latency, name, step, observation.OK, observation.Service)
		}
		g.Lag.Merge(get(run.Latency, name, observation.All, observation.Started, observation.Lag))
		g.SlotWait.Merge(get(run.Latency, name, observation.All, observation.Started, observation.SlotWait))
		g.WholeLag.Merge(get(run.Whole, name, observation.All, observation.Started, observation.Lag))
		g.WholeSlotWait.Merge(get(run.Whole, name, observation.All, observation.Started, observation.SlotWait))
	}
}

// check holds the record against its own invariants.
func (s *Summary) check(run *observation.Run) {
	bad := func(format string, args ...any) { s.Damage = append(s.Damage, fmt.Sprintf(format, args...)) }
	w := &s.Generator.Whole
	if w.Planned != w.Sent+w.Shed+w.Canceled {
		bad("planned %d is not sent %d + shed %d + canceled %d", w.Planned, w.Sent, w.Shed, w.Canceled)
	}
	if w.Planned != w.OK+w.Failed {
		bad("planned %d is not ok %d + failed %d", w.Planned, w.OK, w.Failed)
	}
	var classes uint64
	for _, n := range w.Errors {
		classes += n
	}
	if classes != w.Failed {
		bad("the failure classes sum to %d, failed is %d", classes, w.Failed)
	}
	for key, n := range w.Over {
		if n > w.OK {
			bad("%d successes are counted %s, there are %d", n, key, w.OK)
		}
	}
	if n := uint64(s.Total.Response.Count()); n != s.Total.OK {
		bad("the histograms hold %d successes, the seconds count %d", n, s.Total.OK)
	}
	if f := run.Footer; f != nil && f.Early() == "" {
		var planned uint64
		for _, l := range run.Header.Lanes {
			planned += l.PlannedRun
		}
		if !run.Header.Poisson && planned != w.Planned {
			bad("the schedule holds %d arrivals, the record %d", planned, w.Planned)
		}
	}
}

func footerWarnings(f *observation.Footer) []string {
	var w []string
	if d := f.ClockDrift.Duration().Abs(); d > 50*time.Millisecond {
		w = append(w, fmt.Sprintf("the wall clock moved %s against the monotonic clock during the run: times of day in other systems' logs do not line up", d.Round(time.Millisecond)))
	}
	if f.Retried > 0 {
		w = append(w, fmt.Sprintf("the HTTP library sent %s again on a fresh connection because the kept one was closed before anything was written", plural(f.Retried, "request")))
	}
	if f.Renewals.Failed > 0 {
		w = append(w, fmt.Sprintf("%d token renewals failed", f.Renewals.Failed))
	}
	if n := f.Dropped.OutOfRange; n > 0 {
		w = append(w, fmt.Sprintf("%d durations were longer than %s and are counted as that", n, hist.Max))
	}
	return append(w, f.Warnings...)
}

// backlogWarnings tells of judged phases that began under a backlog of more than a second
// of load: their first arrivals measure what the phase before left behind.
func backlogWarnings(run *observation.Run) []string {
	var rate float64
	for _, l := range run.Header.Lanes {
		rate += l.RatePerS
	}
	var w []string
	for _, ph := range run.Header.Phases {
		if !ph.Judged {
			continue
		}
		for i := range run.Seconds {
			sec := &run.Seconds[i]
			if sec.Start+sec.Length == ph.Start && float64(sec.Backlog) > rate {
				w = append(w, fmt.Sprintf("the judged phase %q began with %d arrivals waiting, more than a second of load: what it measures began before it", ph.Name, sec.Backlog))
			}
		}
	}
	return w
}
