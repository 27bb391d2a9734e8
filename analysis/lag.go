package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// LagUse is how far the named replica was behind in the judged time.
type LagUse struct {
	Asked  bool
	Probes []Probe
	Reason string // of lost probes
}

// lag takes the probes that were begun in the judged time.
func (d *Database) lag(all []taken[observation.Postgres], stretches []stretch) {
	l := &d.Lag
	lost := mishaps{what: "probes of the replica's lag were lost"}
	s := Series{Name: "replication_lag", Source: "postgres", Unit: scenarios.UnitSeconds}
	for _, t := range all {
		if t.err != "" || t.data.Lag == nil {
			continue
		}
		l.Asked = true
		worst := -1.0
		for _, p := range t.data.Lag.Probes {
			probe := Probe{At: t.at - p.Ago.Duration(), Value: p.Lag.Duration(), Lost: p.Lost, Open: p.Open}
			if !p.Lost {
				worst = max(worst, probe.Value.Seconds())
			}
			if slices.ContainsFunc(stretches, func(s stretch) bool { return s.from <= probe.At && probe.At < s.to }) {
				l.Probes = append(l.Probes, probe)
			}
		}
		if worst >= 0 {
			s.Points = append(s.Points, Point{At: t.at, Value: worst})
		}
		if t.data.Lag.Error != "" {
			l.Reason = t.data.Lag.Error
			n := t.data.Lag.Dropped
			for _, p := range t.data.Lag.Probes {
				if p.Lost {
					n++
				}
			}
			if n > 0 {
				lost.add(t.at, n, t.data.Lag.Error)
			}
		}
	}
	if !l.Asked {
		d.Measures["replication_lag"] = noMeasure("the plan does not name it: set system.postgres_replica")
		return
	}
	lost.say(d)
	d.Series = append(d.Series, s)
	m := probed(l.Probes, stretches)
	if m.Reason != "" && l.Reason != "" {
		m.Reason += ": " + l.Reason
	}
	d.Measures["replication_lag"] = m
}

// probesPerS is how many probes a second collectors begin.
const probesPerS = int64(time.Second / observation.LookEvery)

// probed makes the measure of probes.
func probed(probes []Probe, stretches []stretch) Measure {
	if len(probes) == 0 {
		return noMeasure("no probe was begun in the judged time")
	}
	m := Measure{N: len(probes), Probes: probes}
	var planned float64
	for _, s := range stretches {
		planned += float64(probesPerS) * (s.to - s.from).Seconds()
	}
	// The clock's ticks are not aligned with the judged time: one probe more or less.
	if n := float64(len(probes)) + 1; n < 0.9*planned {
		m.Partial = fmt.Sprintf("%.0f probes were planned and %d begun: the server that is asked first did not answer in time", planned, len(probes))
	}
	// A look that took long was not followed by those that it held up: nothing is known of them.
	begun := slices.SortedFunc(slices.Values(probes), func(a, b Probe) int { return cmp.Compare(a.At, b.At) })
	for _, s := range stretches {
		before := s.from
		for _, p := range append(slices.Clone(begun), Probe{At: s.to}) {
			if p.At < s.from || p.At > s.to {
				continue
			}
			for n := int((p.At-before)/observation.LookEvery) - 1; n > 0; n-- {
				m.Probes = append(m.Probes, Probe{At: before + time.Duration(n)*observation.LookEvery, Lost: true})
			}
			before = p.At
		}
	}
	m.N = len(m.Probes)
	return m
}
