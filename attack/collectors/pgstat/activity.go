package pgstat

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis/observation"
)

const (
	pollEvery = observation.LookEvery
	// pollAgain is how long after a connection that failed the next one is tried.
	pollAgain = time.Second
	// callFloor is from which time on a call is handed on.
	callFloor = 2 * pollEvery
	// callsKept bounds the calls of one sample: 2,000 sessions that each run slow statements.
	callsKept = 10_000
	// clockTick is the server's clock's, in microseconds: what two of its readings tell of a
	// time may be wrong by as much.
	clockTick = 1
)

// watch follows the statements that run, from one look at pg_stat_activity to the next. A
// call is known by its process and its beginning. It took at least as long as when it was
// last seen, and less than when it was first missed. Its instants are the server's, in
// microseconds, except began.
type watch struct {
	running map[int32]*seenCall
	last    int64     // statement_timestamp() of the last successful look; 0: none
	lastAt  time.Time // the local instant before it; before the first one, when the watch began
	out     observation.Activity
	ended   []endedCall
}

// seenCall is a call that was running at the last look.
type seenCall struct {
	began int64
	seen  time.Duration // its age, at least
	query int64
	wait  string
}

// endedCall is a call with the local instant of its beginning, which a sample needs
// relative to its own.
type endedCall struct {
	began time.Time
	observation.ActiveCall
}

// look is one answer of activitySQL.
type look struct {
	at              time.Time // local, when it was asked for
	before, after   int64     // server's clock, around the look
	pids            []int32
	begans, queries []int64
	waits           []string
	position        *int64 // flushed WAL of the primary; nil: not asked, or a replica
}

func (w *watch) failed(err error) {
	w.out.Failed++
	w.out.Error = err.Error()
}

// see takes a look.
func (w *watch) see(l look) {
	w.out.Polls++
	// By this clock too: before the first look there is no other, and it may be another server
	// that answers now.
	gap := observation.Seconds(l.at.Sub(w.lastAt)) + micros(l.after-l.before+clockTick)
	if w.last > 0 {
		gap = max(gap, micros(l.after-w.last+clockTick))
	}
	w.out.Gap = max(w.out.Gap, gap)
	w.last, w.lastAt = l.before, l.at
	still := make(map[int32]*seenCall, len(l.pids))
	for i, pid := range l.pids {
		age := max(0, micros(l.before-l.begans[i]-clockTick).Duration())
		c := w.running[pid]
		if c == nil || c.began != l.begans[i] {
			c = &seenCall{began: l.begans[i]}
		} else {
			delete(w.running, pid)
		}
		c.seen, c.query, c.wait = age, l.queries[i], l.waits[i]
		still[pid] = c
	}
	for _, c := range w.running { // not seen any more
		// Another server's clock may be behind.
		w.end(c, l, max(micros(l.after-c.began+clockTick).Duration(), c.seen+1))
	}
	w.running = still
}

// end hands a call on. under is what it took less than; 0: it still runs.
func (w *watch) end(c *seenCall, l look, under time.Duration) {
	if under > 0 && under < callFloor || under == 0 && c.seen < callFloor/2 {
		return
	}
	if len(w.ended) == callsKept {
		w.out.Dropped++
		return
	}
	w.ended = append(w.ended, endedCall{
		began: l.at.Add(-micros(l.before - c.began).Duration()),
		ActiveCall: observation.ActiveCall{Seen: observation.Seconds(c.seen), Under: observation.Seconds(under),
			QueryID: c.query, Wait: c.wait},
	})
}

// take empties the watch into a sample that is taken now. With the final one come the calls
// that still run.
func (w *watch) take(now time.Time, final bool, l look) *observation.Activity {
	if final {
		for _, c := range w.running {
			w.end(c, l, 0)
		}
	}
	a := w.out
	a.Gap = max(a.Gap, observation.Seconds(now.Sub(w.lastAt))) // which goes on where looks fail
	a.Floor = observation.Seconds(callFloor)
	for _, c := range w.ended {
		c.Ago = observation.Seconds(now.Sub(c.began))
		a.Calls = append(a.Calls, c.ActiveCall)
	}
	w.out, w.ended = observation.Activity{}, nil
	return &a
}

func micros(n int64) observation.Seconds { return observation.Seconds(n * int64(time.Microsecond)) }

// look asks once.
func (l *link) look(ctx context.Context, sql string) (look, error) {
	k := look{at: time.Now()}
	err := l.query(ctx, queryWithin, sql, func(r pgx.Rows) error {
		return r.Scan(&k.before, &k.pids, &k.begans, &k.queries, &k.waits, &k.after, &k.position)
	})
	return k, err
}
