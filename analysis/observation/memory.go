package observation

import "arqload/analysis/hist"

// Memory is a Recorder that puts a Run together in memory: for what is read back from a
// bundle, and for runs whose record is not kept.
type Memory struct {
	Run Run
	// TotalsOnly leaves out Run.PerSecond, which grows with the run's length and is needed
	// only for limits that were not counted.
	TotalsOnly bool
}

// Begin takes the header.
func (m *Memory) Begin(h Header) error {
	m.Run.Header, m.Run.Latency, m.Run.Whole = h, Latency{}, Latency{}
	m.Run.PerSecond = map[Series]map[Seconds]*hist.Histogram{}
	return nil
}

// Second takes a second and merges its histograms.
func (m *Memory) Second(s Second, intervals []Interval) error {
	m.Run.Seconds = append(m.Run.Seconds, s)
	for _, i := range intervals {
		m.Interval(s.Start, s.Judged, i)
	}
	return nil
}

// Interval merges one series' histogram of the second that began at start.
func (m *Memory) Interval(start Seconds, judged bool, i Interval) {
	m.Run.Whole.add(i)
	if !judged {
		return
	}
	m.Run.Latency.add(i)
	judged = i.Series.Outcome == OK && (i.Series.Clock == Response || i.Series.Step != All)
	if m.TotalsOnly || !judged {
		return
	}
	by := m.Run.PerSecond[i.Series]
	if by == nil {
		by = map[Seconds]*hist.Histogram{}
		m.Run.PerSecond[i.Series] = by
	}
	if by[start] == nil {
		by[start] = hist.New()
	}
	by[start].Merge(i.Hist)
}

func (l Latency) add(i Interval) {
	h := l[i.Series]
	if h == nil {
		h = hist.New()
		l[i.Series] = h
	}
	h.Merge(i.Hist)
}

// Sample takes a sample.
func (m *Memory) Sample(s Sample) error {
	m.Run.Samples = append(m.Run.Samples, s)
	return nil
}

// Example takes a failed request.
func (m *Memory) Example(e Example) error {
	m.Run.Errors = append(m.Run.Errors, e)
	return nil
}

// Slow takes a slow arrival.
func (m *Memory) Slow(s Slow) error {
	m.Run.Slowest = append(m.Run.Slowest, s)
	return nil
}

// End takes the footer.
func (m *Memory) End(f Footer) error {
	m.Run.Footer = &f
	return nil
}
