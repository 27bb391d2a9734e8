package analysis

import (
	"strings"
	"testing"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

func TestAMedianNearTheFloorIsSaid(t *testing.T) {
	of := func(p50, floor time.Duration) *Summary {
		s := &Summary{}
		s.Total.Response = hist.New()
		s.Total.Response.RecordN(p50, 100)
		if floor > 0 {
			s.Header.Floor = &observation.Floor{P50: observation.Seconds(floor)}
		}
		return s
	}
	if w := of(700*time.Microsecond, 400*time.Microsecond).floorWarnings(); len(w) != 1 || !strings.Contains(w[0], "under twice what this machine alone takes (400µs") {
		t.Errorf("700µs over a floor of 400µs: %q", w)
	}
	if w := of(900*time.Microsecond, 400*time.Microsecond).floorWarnings(); len(w) != 0 {
		t.Errorf("900µs over a floor of 400µs: %q", w)
	}
	if w := of(time.Microsecond, 0).floorWarnings(); len(w) != 0 {
		t.Errorf("no floor was measured: %q", w)
	}
	nothing := &Summary{Header: observation.Header{Floor: &observation.Floor{P50: 1}}}
	nothing.Total.Response = hist.New()
	if w := nothing.floorWarnings(); len(w) != 0 {
		t.Errorf("there is no median: %q", w)
	}
}

func TestTheRowsOfTablesThatWereResetAreNotCounted(t *testing.T) {
	d := Database{Tables: []TableUse{{Known: true, Inserted: 200, Deleted: 50}, {Known: true, Inserted: 5}, {Inserted: 1000}}}
	if rows, unknown, known := d.RowsAdded(); rows != 205 || unknown != 1 || !known {
		t.Errorf("%d rows, %d tables unknown, %v; want 205, 1, true", rows, unknown, known)
	}
	d.Tables = d.Tables[2:]
	if rows, _, known := d.RowsAdded(); known {
		t.Errorf("%d rows are known of a table that was reset", rows)
	}
}
