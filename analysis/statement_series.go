package analysis

import (
	"time"

	"arqload/scenarios"
)

// statementsFollowed is how many statements have a series of their own: those that took
// most time.
const statementsFollowed = 10

// statementSeries makes series of all queries together and of the heaviest ones, from
// reading to reading: how often each was called, and its mean time where it was.
func (d *Database) statementSeries(intervals []interval, texts map[string]string) {
	const source = "postgres"
	calls := Series{Name: "db.statement_calls", Source: source, Unit: scenarios.UnitCount}
	total := Series{Name: "db.statement_time", Source: source, Unit: scenarios.UnitSeconds}
	own := map[int64]*[2]Series{}
	for _, s := range d.Statements {
		if len(own) < statementsFollowed && !s.Control {
			own[s.QueryID] = &[2]Series{
				{Name: "db.statement_calls", Of: s.Query, Source: source, Unit: scenarios.UnitCount},
				{Name: "db.statement_mean", Of: s.Query, Source: source, Unit: scenarios.UnitSeconds},
			}
		}
	}
	for _, v := range intervals {
		if v.void != "" || v.length == 0 {
			continue
		}
		var all moments
		by := map[int64]*moments{}
		for _, c := range v.calls {
			if _, k := classify(texts, c.key.QueryID); k == steers {
				continue
			}
			all.add(c.moments)
			if own[c.key.QueryID] == nil {
				continue
			}
			if by[c.key.QueryID] == nil {
				by[c.key.QueryID] = &moments{}
			}
			by[c.key.QueryID].add(c.moments)
		}
		at := Point{At: v.at, Length: v.length}
		point := func(v float64) Point { at.Value = v; return at }
		calls.Points = append(calls.Points, point(float64(all.n)))
		total.Points = append(total.Points, point(float64(all.n)*all.mean))
		for id, s := range own {
			m := by[id]
			if m == nil {
				m = &moments{}
			}
			s[0].Points = append(s[0].Points, point(float64(m.n)))
			if m.n > 0 { // a mean is no count: it is that of each instant of the interval
				for second := time.Duration(0); second < v.length; second += time.Second {
					s[1].Points = append(s[1].Points, Point{At: v.at + second, Value: m.mean})
				}
			}
		}
	}
	d.Series = append(d.Series, calls, total)
	for _, s := range d.Statements {
		if pair := own[s.QueryID]; pair != nil {
			d.Series = append(d.Series, pair[0], pair[1])
		}
	}
}
