package sandbox

import "runtime"

// A thread runs functions on one OS thread that lives until close. Linux sends a child its parent-death signal when the
// *thread* that forked it ends, and Go ends threads when it likes: the servers must be forked from one that outlives them.
type thread struct {
	work chan func()
}

func newThread() *thread {
	t := &thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range t.work {
			f()
		}
	}()
	return t
}

// do runs f on the thread and returns when f has returned.
func (t *thread) do(f func()) {
	done := make(chan struct{})
	t.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (t *thread) close() { close(t.work) }
