package analysis

import (
	"fmt"

	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// The limits of a valid measurement.
const (
	maxShedSelf = 0.01 // share of planned arrivals given up by the generator's own fault
	lagShare    = 0.10 // of the tightest latency limit that lag p99 may take
	defaultLag  = 20 * time.Millisecond
	maxCPU      = 0.90 // of min(GOMAXPROCS, quota), over any 5 s judged
)

// LagLimit is what the generator's own lag at p99 may be: a tenth of the tightest limit on
// a response time, 20 ms where there is none. A step's service time begins at its send and
// holds no lag, so limits on steps do not count.
func LagLimit(objectives []scenarios.Objective) time.Duration {
	limit := time.Duration(0)
	for _, o := range objectives {
		if _, step := o.Target(); o.Metric != scenarios.MetricQuantile || step != "" {
			continue
		}
		if l := time.Duration(lagShare * float64(o.LimitDuration())); limit == 0 || l < limit {
			limit = l
		}
	}
	if limit == 0 {
		return defaultLag
	}
	return limit
}

// Invalid returns the reasons why the measurement itself cannot be trusted: the
// generator's own faults, never the system's. None: it can.
func (s *Summary) Invalid(objectives []scenarios.Objective) []string {
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	for _, d := range s.Damage {
		add("the record contradicts itself: %s", d)
	}
	g := &s.Generator
	if g.Planned > 0 {
		if lost := float64(g.ShedSelf) / float64(g.Planned); lost > maxShedSelf {
			add("the generator gave up %s of the planned arrivals because it was itself too late for them (1%% is allowed): use a machine with more CPU, or lower the rate", percent(lost))
		}
	}
	limit := LagLimit(objectives)
	if lag, ok := g.Lag.Quantile(0.99); ok && lag > limit {
		add("the generator started arrivals late by its own fault: lag p99 is %s, allowed is %s", duration(lag), duration(limit))
	}
	if late, ok := g.Heartbeat.Quantile(0.99); ok && late > limit {
		add("the generator's process was held up: the p99 of its heartbeat's lateness is %s, allowed is %s; another process, a CPU limit or a paused machine took its time, and waiting for the system cannot be told apart from it", duration(late), duration(limit))
	}
	if self := s.Self; self.Available {
		if self.CPUShare >= maxCPU {
			add("the generator used %s of the CPU it may use for 5 s (90%% is the bound): what it measured includes its own waiting; use a machine with more CPU, or lower the rate", percent(self.CPUShare))
		}
		if self.Throttled > 0 {
			add("the generator's CPU quota throttled it %d times: raise the container's CPU limit", self.Throttled)
		}
		if self.SchedDelayP99 > limit {
			add("the generator's goroutines waited for a CPU: p99 is %s, allowed is %s", duration(self.SchedDelayP99), duration(limit))
		}
	}
	if n := g.Whole.Errors[observation.Local]; n > 0 {
		add("%d requests failed on this machine (no file descriptor, port or buffer): raise `ulimit -n`, widen net.ipv4.ip_local_port_range or use fewer connections", n)
	}
	if s.StoppedBy == "" && !s.Partial {
		for _, l := range s.Header.Lanes {
			sc := s.Scenarios[l.Scenario]
			if l.PlannedJudg > 0 && sc.Planned == 0 && !s.Header.Poisson {
				add("the scenario %s was planned with %d judged arrivals and not one was made", l.Scenario, l.PlannedJudg)
			} else if sc.Planned > 0 && sc.Sent == 0 && sc.ShedSelf > 0 {
				add("the scenario %s was planned and never sent", l.Scenario)
			}
		}
	}
	return why
}
