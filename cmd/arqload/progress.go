package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"arqload/attack"
)

// plainEvery is the interval of progress lines where stderr is no terminal.
const plainEvery = 10 * time.Second

// newProgress returns what shows a run's progress on w: one refreshed block on a
// terminal, a line every 10 s elsewhere, nothing when quiet. also are lines of their own
// beside the drive's. done ends the block.
func newProgress(w io.Writer, quiet bool, also ...func() string) (show func(attack.Progress), done func()) {
	if quiet {
		return nil, func() {}
	}
	lines := func(p attack.Progress) []string {
		all := progressLines(p)
		for _, line := range also {
			all = append(all, line())
		}
		return all
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		b := &block{w: w, lines: lines, columns: func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}}
		return b.show, b.done
	}
	var last time.Duration = -1
	return func(p attack.Progress) {
		if slot := p.Elapsed / plainEvery; slot != last {
			last = slot
			fmt.Fprintln(w, strings.Join(lines(p), "; "))
		}
	}, func() {}
}

// block is a few lines that are drawn over again. None may be wider than the terminal: it
// would take two of its rows, and the block would climb down the screen.
type block struct {
	w       io.Writer
	lines   func(attack.Progress) []string
	columns func() int
	drawn   int
}

func (b *block) show(p attack.Progress) {
	var s strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&s, "\x1b[%dA", b.drawn)
	}
	lines, room := b.lines(p), max(0, b.columns()-1)
	for _, l := range lines {
		l := []rune(l)
		s.WriteString("\r\x1b[2K" + string(l[:min(len(l), room)]) + "\n")
	}
	b.drawn = len(lines)
	_, _ = io.WriteString(b.w, s.String())
}

func (b *block) done() { b.drawn = 0 }

func progressLines(p attack.Progress) []string {
	latency := "no answer in the last second"
	if p.OK {
		latency = fmt.Sprintf("p50 %s  p95 %s  p99 %s", short(p.P50), short(p.P95), short(p.P99))
	}
	return []string{
		fmt.Sprintf("%s  %s of %s", p.Phase, p.Elapsed.Round(time.Second), p.Total.Round(time.Second)),
		fmt.Sprintf("planned %d  started %d  in flight %d", p.Planned, p.Sent, p.InFlight),
		fmt.Sprintf("last second: %.0f/s  %s  failed %d", p.RatePerS, latency, p.Failed),
	}
}

func short(d time.Duration) string {
	unit := time.Duration(1)
	for x := d; x >= 1000; x /= 10 {
		unit *= 10
	}
	return d.Round(unit).String()
}
