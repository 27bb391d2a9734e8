package observation

// Recorder receives a run's record as it happens. The drive calls it from one goroutine
// at a time, Begin first and End last. An error means that the record is no longer
// whole: the drive stops the run and returns it, since a run that leaves no evidence is
// worth nothing.
type Recorder interface {
	Begin(Header) error
	// Second receives a closed second with one histogram a series; the histograms are
	// valid only during the call.
	Second(Second, []Interval) error
	Sample(Sample) error
	Example(Example) error
	Slow(Slow) error
	End(Footer) error
}
