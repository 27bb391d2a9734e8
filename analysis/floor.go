package analysis

import "fmt"

// nearFloor is under how many times the floor a median is the generator's rather than the
// system's: below it, half of it or more is this machine's own.
const nearFloor = 2

// floorWarnings tells of a median that this machine alone may have made.
func (s *Summary) floorWarnings() []string {
	f := s.Header.Floor
	p50, ok := s.Total.Response.Quantile(0.5)
	if f == nil || !ok || p50 >= nearFloor*f.P50.Duration() {
		return nil
	}
	return []string{fmt.Sprintf("the observed p50 of %s is under twice what this machine alone takes (%s, against a server in its own process): half of it or more is the generator's, and a faster system would hardly show", duration(p50), duration(f.P50.Duration()))}
}
