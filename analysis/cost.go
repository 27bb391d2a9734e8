package analysis

import (
	"time"

	"arqload/analysis/observation"
)

// Cost is what the collector itself took from the database in the judged time.
type Cost struct {
	OK         bool
	Queries    int64
	InDatabase time.Duration // executing and planning its statements, as pg_stat_statements counts it
	Wall       time.Duration // from send to the last row, network included
	Covered    time.Duration
	OfAll      float64 // InDatabase by that of all statements, its own among them; negative: not known
	OfTime     float64 // InDatabase by Covered: how much of one session it took
}

// cost takes the difference between the readings at the ends of the judged time.
func (d *Database) cost(all []taken[observation.Postgres], stretches []stretch) {
	some, at := good(all, func(p *observation.Postgres) bool { return p.StatementsRead })
	var c Cost
	for _, s := range stretches {
		from, to, _, _, ok := s.bounds(at)
		if !ok {
			return
		}
		a, b := some[from].data.Own, some[to].data.Own
		if b.InDatabase < a.InDatabase || sameServer(&some[from].data, &some[to].data) != "" {
			return
		}
		c.Queries += b.Queries - a.Queries
		c.InDatabase += (b.InDatabase - a.InDatabase).Duration()
		c.Wall += (b.Wall - a.Wall).Duration()
		c.Covered += at[to] - at[from]
	}
	if c.OK = c.Covered > 0 && c.Queries > 0; !c.OK { // records of before have none
		return
	}
	total := c.InDatabase
	for _, s := range d.Statements {
		total += s.Total
	}
	if c.OfAll = -1; total > c.InDatabase && !d.hidden {
		c.OfAll = c.InDatabase.Seconds() / total.Seconds()
	}
	c.OfTime = c.InDatabase.Seconds() / c.Covered.Seconds()
	d.Cost = c
}
