package observation

// Results counts what became of arrivals, or of a step's calls.
type Results struct {
	OK     uint64 `json:"ok"`
	Failed uint64 `json:"failed"`
	// Errors counts failures by class; the classes sum to Failed.
	Errors map[Class]uint64 `json:"errors,omitempty"`
	// Over counts successes at or over (or strictly over) each counted limit.
	Over map[string]uint64 `json:"over,omitempty"`
}

// Fail counts one failure.
func (r *Results) Fail(c Class) {
	r.Failed++
	if r.Errors == nil {
		r.Errors = map[Class]uint64{}
	}
	r.Errors[c]++
}

// CountOver counts one success over a limit, by its Key.
func (r *Results) CountOver(key string) {
	if r.Over == nil {
		r.Over = map[string]uint64{}
	}
	r.Over[key]++
}

// Add adds other results.
func (r *Results) Add(o *Results) {
	r.OK += o.OK
	r.Failed += o.Failed
	for c, n := range o.Errors {
		if r.Errors == nil {
			r.Errors = map[Class]uint64{}
		}
		r.Errors[c] += n
	}
	for k, n := range o.Over {
		if r.Over == nil {
			r.Over = map[string]uint64{}
		}
		r.Over[k] += n
	}
}

// Unavailable counts the failures in which the system gave no answer or a 5xx.
func (r *Results) Unavailable() uint64 {
	var n uint64
	for c, k := range r.Errors {
		if !c.Available() {
			n += k
		}
	}
	return n
}

// Tally counts arrivals: planned = sent + shed + canceled = ok + failed.
type Tally struct {
	Planned  uint64 `json:"planned"`
	Sent     uint64 `json:"sent"`
	Shed     uint64 `json:"shed"`
	ShedSelf uint64 `json:"shed_by_generator"` // of Shed, those charged to the generator's own lag
	Canceled uint64 `json:"canceled"`          // due but not started when the run was stopped
	Results
}

// Add adds another tally.
func (t *Tally) Add(o *Tally) {
	t.Planned += o.Planned
	t.Sent += o.Sent
	t.Shed += o.Shed
	t.ShedSelf += o.ShedSelf
	t.Canceled += o.Canceled
	t.Results.Add(&o.Results)
}

// Class is why an arrival or a step failed.
type Class string

// The classes of failure. They sum to failed.
const (
	DNS         Class = "dns"
	Connect     Class = "connect"
	TLS         Class = "tls"
	Timeout     Class = "timeout"
	Reset       Class = "reset" // the connection ended before the answer did
	HTTP3xx     Class = "http_3xx"
	HTTP4xx     Class = "http_4xx" // but 429
	HTTP429     Class = "http_429"
	HTTP5xx     Class = "http_5xx"
	Expectation Class = "expectation" // an answer of the wrong status, value or form
	Shed        Class = "shed"        // given up before sending: already too late
	Canceled    Class = "canceled"    // the run was stopped
	Local       Class = "local"       // no file descriptor, port or buffer here: the generator's fault
	Protocol    Class = "protocol"    // not HTTP
	Other       Class = "other"
)

// Classes lists all classes in the order in which reports show them.
func Classes() []Class {
	return []Class{DNS, Connect, TLS, Timeout, Reset, HTTP3xx, HTTP4xx, HTTP429, HTTP5xx, Expectation, Shed, Canceled, Local, Protocol, Other}
}

// Available reports whether a failure of this class still counts as an available system:
// the system answered (3xx, 4xx, an answer of the wrong form), or was not asked because
// the user stopped the run.
func (c Class) Available() bool {
	switch c {
	case HTTP3xx, HTTP4xx, HTTP429, Expectation, Canceled:
		return true
	}
	return false
}
