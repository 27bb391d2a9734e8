package attack

import (
	"fmt"
	"sync"

	"arqload/analysis/observation"
)

// recorder hands the record on, one call at a time, and stops the run at the first error.
type recorder struct {
	to     observation.Recorder
	failed func()
	mu     sync.Mutex
	err    error
}

func (r *recorder) do(f func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	if err := f(); err != nil {
		r.err = fmt.Errorf("the record could not be kept, so the run was stopped: %w", err)
		r.failed()
	}
}

func (r *recorder) begin(h observation.Header) error {
	r.do(func() error { return r.to.Begin(h) })
	return r.err
}

func (r *recorder) sample(s observation.Sample) { r.do(func() error { return r.to.Sample(s) }) }

func (r *recorder) second(c *closed, examples []observation.Example) {
	r.do(func() error { return r.to.Second(c.second, c.intervals) })
	r.examples(examples)
	for _, s := range c.slow {
		r.do(func() error { return r.to.Slow(s) })
	}
}

func (r *recorder) examples(list []observation.Example) {
	for _, e := range list {
		r.do(func() error { return r.to.Example(e) })
	}
}

func (r *recorder) end(f observation.Footer) error {
	r.do(func() error { return r.to.End(f) })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
