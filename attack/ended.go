package attack

import (
	"context"
	"fmt"

	"arqload/analysis/observation"
)

// Ended ends a run before its plan's end, in good order: nothing more is started, what is in
// flight goes on to its end (each step to its timeout at most), arrivals that are due and not
// started are canceled, and the last samples are taken as always.
type Ended struct {
	By  observation.Stop
	Why string // for people
}

func (e *Ended) Error() string { return fmt.Sprintf("ended by %s: %s", e.By, e.Why) }

// end ends the run unless it has been already. Once the schedule is over there is nothing
// left to end. The book knows before the lanes do: no second that the end cuts can be closed
// as a judged one.
func (d *drive) end(e Ended, stop context.CancelCauseFunc) bool {
	now := d.now()
	if now >= d.plan.Duration() || !d.book.stop(now, e.By) {
		return false
	}
	stop(&e)
	return true
}
