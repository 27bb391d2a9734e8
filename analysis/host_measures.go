package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
)

// hostMeasures puts the hosts' series together. partial says, a metric, what of the judged
// time is not in them.
type hostMeasures struct {
	stretches []stretch
	hosts     []HostUse
	gaps      []string

	cpuBusy, cpuAll, diskBusy, diskAll, diskBytes, memory []Series
	cpuPartial, diskPartial, memoryPartial                []string
}

func (m *hostMeasures) gap(format string, args ...any) string {
	g := fmt.Sprintf(format, args...)
	m.gaps = append(m.gaps, g)
	return g
}

// host adds one host by its samples.
func (m *hostMeasures) host(name string, all []taken[observation.Host]) {
	for _, g := range failures(all) {
		m.gap("%s: %s", name, g)
	}
	some, _ := good(all, nil)
	use := HostUse{Name: name}
	for _, t := range some {
		use.CPUs, use.MemoryTotal = max(use.CPUs, t.data.CPUs), max(use.MemoryTotal, t.data.MemoryTotal)
	}
	restarts := m.restarts(name, some)
	m.cpu(&use, some, restarts)
	m.memories(&use, all)
	m.disks(&use, some, restarts)
	m.hosts = append(m.hosts, use)
}

// restarts are the indices of the samples before which the machine was restarted. Those
// in the judged time leave a part of it out.
func (m *hostMeasures) restarts(name string, some []taken[observation.Host]) map[int]bool {
	out := map[int]bool{}
	for i := 1; i < len(some); i++ {
		a, b := some[i-1], some[i]
		again := a.data.BootTime > 0 && b.data.BootTime-a.data.BootTime > clockStep
		back := tells(&a.data, "cpu") && tells(&b.data, "cpu") && (b.data.CPUAll < a.data.CPUAll || b.data.CPUBusy < a.data.CPUBusy)
		if !again && !back {
			continue
		}
		out[i] = true
		what := "was restarted"
		if !again {
			what = "has counters that went back (another machine, or a restart)"
		}
		g := m.gap("%s %s between %s and %s", name, what, duration(a.at), duration(b.at))
		if overlaps(m.stretches, a.at, b.at) {
			m.cpuPartial, m.diskPartial = append(m.cpuPartial, g), append(m.diskPartial, g)
		}
	}
	return out
}

// overlaps says whether some of the judged time lies between two instants.
func overlaps(stretches []stretch, from, to time.Duration) bool {
	return slices.ContainsFunc(stretches, func(s stretch) bool { return from < s.to && to > s.from+atEdge })
}

func tells(h *observation.Host, what string) bool { return !slices.Contains(h.Missing, what) }

// uncovered says what the samples at some instants leave out of the judged time's ends.
func uncovered(stretches []stretch, at []time.Duration) []string {
	var out []string
	for _, s := range stretches {
		_, _, notes, reason := s.ends(at)
		if reason != "" {
			notes = append(notes, reason)
		}
		out = append(out, notes...)
	}
	return out
}

// missing adds what is not known of a host to a metric's own list.
func (m *hostMeasures) missing(partial *[]string, of string, words ...string) {
	for _, w := range words {
		*partial = append(*partial, of+": "+w)
	}
}

func (m *hostMeasures) cpu(use *HostUse, some []taken[observation.Host], restarts map[int]bool) {
	busy, all := Series{Of: use.Name}, Series{Of: use.Name}
	var at []time.Duration
	last, again := -1, false
	for i := range some {
		b := &some[i]
		again = again || restarts[i]
		if !tells(&b.data, "cpu") {
			continue
		}
		at = append(at, b.at)
		if last >= 0 && !again && b.data.CPUAll > some[last].data.CPUAll {
			a := &some[last]
			busy.Points = append(busy.Points, Point{a.at, b.at - a.at, (b.data.CPUBusy - a.data.CPUBusy).Duration().Seconds()})
			all.Points = append(all.Points, Point{a.at, b.at - a.at, (b.data.CPUAll - a.data.CPUAll).Duration().Seconds()})
		}
		last, again = i, false
	}
	if len(at) == 0 && len(some) > 0 {
		m.missing(&m.cpuPartial, use.Name, "it does not tell its CPU")
	} else {
		m.missing(&m.cpuPartial, use.Name, uncovered(m.stretches, at)...)
	}
	m.cpuBusy, m.cpuAll = append(m.cpuBusy, busy), append(m.cpuAll, all)
	use.CPUMean, use.CPUMax = shares(m.stretches, busy, all)
}

// meanAndMost is the ratio of parts to wholes over the judged intervals, and that of the
// interval in which it is highest.
func meanAndMost(stretches []stretch, parts, wholes Series) (mean, most *float64) {
	var part, whole float64
	highest := math.Inf(-1)
	all := wholes.judged(stretches)
	for i, p := range parts.judged(stretches) {
		part, whole = part+p.Value, whole+all[i].Value
		highest = max(highest, p.Value/all[i].Value)
	}
	if whole <= 0 {
		return nil, nil
	}
	return ptr(part / whole), ptr(highest)
}

// shares are meanAndMost of what cannot be more than the whole. A little more may be read:
// counters are rounded, and a disk's is not of the instant of the sample.
func shares(stretches []stretch, parts, wholes Series) (mean, most *float64) {
	if mean, most = meanAndMost(stretches, parts, wholes); mean != nil {
		*mean, *most = min(1, *mean), min(1, *most)
	}
	return mean, most
}

func (m *hostMeasures) memories(use *HostUse, all []taken[observation.Host]) {
	s := Series{Name: "host.memory_share", Of: use.Name}
	var at []time.Duration
	lost, judged := 0, 0
	for i := range all {
		t := &all[i]
		if holds(m.stretches, t.at) {
			judged++
		}
		if t.err == "" && tells(&t.data, "memory") && t.data.MemoryTotal > 0 {
			at = append(at, t.at)
			s.Points = append(s.Points, Point{At: t.at, Value: 1 - float64(t.data.MemoryAvailable)/float64(t.data.MemoryTotal)})
		} else if holds(m.stretches, t.at) {
			lost++
		}
	}
	switch {
	case len(at) == 0:
		m.missing(&m.memoryPartial, use.Name, "it does not tell its memory")
	case lost > 0:
		m.missing(&m.memoryPartial, use.Name, fmt.Sprintf("%d of %s in the judged time are missing", lost, plural(uint64(judged), "sample")))
	default:
		m.missing(&m.memoryPartial, use.Name, uncovered(m.stretches, at)...)
	}
	m.memory = append(m.memory, s)
	if x := highest(m.stretches, "", s); x.Reason == "" {
		use.MemoryMax = &x.Value
	}
}

func (m *hostMeasures) disks(use *HostUse, some []taken[observation.Host], restarts map[int]bool) {
	var names []string
	for _, t := range some {
		for _, d := range t.data.Disks {
			if !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
			}
		}
	}
	for _, name := range names {
		m.disk(use, name, some, restarts)
	}
	if len(names) == 0 {
		m.missing(&m.diskPartial, use.Name, "it tells no disk")
	}
}

func (m *hostMeasures) disk(use *HostUse, name string, some []taken[observation.Host], restarts map[int]bool) {
	of := use.Name + " " + name
	busy, all, moved := Series{Of: of}, Series{Of: of}, Series{Of: of}
	read, written := Series{}, Series{}
	var at []time.Duration
	var before *observation.Disk
	var from time.Duration
	again := false
	for i := range some {
		again = again || restarts[i]
		j := slices.IndexFunc(some[i].data.Disks, func(d observation.Disk) bool { return d.Name == name })
		if j < 0 {
			continue
		}
		now, to := &some[i].data.Disks[j], some[i].at
		at = append(at, to)
		switch a := before; {
		case a == nil, again:
		case now.Busy < a.Busy, now.ReadBytes < a.ReadBytes, now.WrittenBytes < a.WrittenBytes:
			g := m.gap("the counters of %s went back between %s and %s", of, duration(from), duration(to))
			if overlaps(m.stretches, from, to) {
				m.diskPartial = append(m.diskPartial, g)
			}
		default:
			add := func(s *Series, v float64) { s.Points = append(s.Points, Point{from, to - from, v}) }
			add(&busy, (now.Busy - a.Busy).Duration().Seconds())
			add(&all, (to - from).Seconds())
			add(&read, float64(now.ReadBytes-a.ReadBytes))
			add(&written, float64(now.WrittenBytes-a.WrittenBytes))
			add(&moved, float64(now.ReadBytes-a.ReadBytes+now.WrittenBytes-a.WrittenBytes))
		}
		before, from, again = now, to, false
	}
	m.missing(&m.diskPartial, of, uncovered(m.stretches, at)...)
	m.diskBusy, m.diskAll, m.diskBytes = append(m.diskBusy, busy), append(m.diskAll, all), append(m.diskBytes, moved)
	if mean, most := shares(m.stretches, busy, all); mean != nil {
		readPerS, _ := meanAndMost(m.stretches, read, all)
		writtenPerS, _ := meanAndMost(m.stretches, written, all)
		use.Disks = append(use.Disks, DiskUse{Name: name, ReadPerS: *readPerS, WrittenPerS: *writtenPerS, BusyMean: *mean, BusyMax: *most})
	}
}

// measures are those of the catalogue; why says why one has nothing.
func (m *hostMeasures) measures(why string) map[string]Measure {
	because := func(x Measure, partial []string) Measure {
		if x.Reason != "" && len(partial) > 0 {
			return noMeasure(strings.Join(partial, "; "))
		}
		if x.Reason != "" {
			return noMeasure(why)
		}
		return x
	}
	words := func(partial []string) string { return strings.Join(partial, "; ") }
	return map[string]Measure{
		"host.cpu_share":       because(averaged(m.stretches, words(m.cpuPartial), false, m.cpuBusy, m.cpuAll), m.cpuPartial),
		"host.memory_share":    because(highest(m.stretches, words(m.memoryPartial), m.memory...), m.memoryPartial),
		"host.disk_busy_share": because(averaged(m.stretches, words(m.diskPartial), false, m.diskBusy, m.diskAll), m.diskPartial),
	}
}

// series are what was seen over the whole run. A share of an interval stands at its begin.
func (m *hostMeasures) series() []Series {
	var out []Series
	ratios := func(name string, parts, wholes []Series) {
		for i, s := range parts {
			share := Series{Name: name, Of: s.Of, Source: "host", Unit: unitOf(name)}
			for j, p := range s.Points {
				share.Points = append(share.Points, Point{At: p.At, Value: min(1, p.Value/wholes[i].Points[j].Value)})
			}
			out = append(out, share)
		}
	}
	ratios("host.cpu_share", m.cpuBusy, m.cpuAll)
	for _, s := range m.memory {
		s.Source, s.Unit = "host", unitOf(s.Name)
		out = append(out, s)
	}
	ratios("host.disk_busy_share", m.diskBusy, m.diskAll)
	for _, s := range m.diskBytes {
		s.Name, s.Source, s.Unit = "host.disk_bytes", "host", "bytes"
		out = append(out, s)
	}
	return slices.DeleteFunc(out, func(s Series) bool { return len(s.Points) == 0 })
}
