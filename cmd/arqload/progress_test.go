package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"arqload/attack"
)

func TestWithoutATerminalThereIsALineEachTenSeconds(t *testing.T) {
	var b bytes.Buffer
	show, done := newProgress(&b, false)
	for s := range 26 {
		show(attack.Progress{Phase: "steady", Elapsed: time.Duration(s) * time.Second, Total: 25 * time.Second, Planned: uint64(100 * s), Sent: uint64(100*s) - uint64(min(s, 1)),
			InFlight: 3, RatePerS: 100, Failed: 2, OK: s > 0, P50: 1234567, P95: 20 * time.Millisecond, P99: 1500 * time.Millisecond})
	}
	done()
	want := `steady  0s of 25s; planned 0  started 0  in flight 3; last second: 100/s  no answer in the last second  failed 2
steady  10s of 25s; planned 1000  started 999  in flight 3; last second: 100/s  p50 1.23ms  p95 20ms  p99 1.5s  failed 2
steady  20s of 25s; planned 2000  started 1999  in flight 3; last second: 100/s  p50 1.23ms  p95 20ms  p99 1.5s  failed 2
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestQuietShowsNoProgress(t *testing.T) {
	var b bytes.Buffer
	show, done := newProgress(&b, true)
	done()
	if show != nil || b.Len() > 0 {
		t.Errorf("something is shown: %q", b.String())
	}
}

// A block's lines are cut by characters: half of a µ is no UTF-8.
func TestABlockFitsTheNarrowestTerminal(t *testing.T) {
	for columns := range 60 {
		var b bytes.Buffer
		block := block{lines: progressLines, w: &b, columns: func() int { return columns }}
		for range 2 {
			block.show(attack.Progress{Phase: strings.Repeat("long", 16), OK: true, P50: 123 * time.Microsecond, P95: 456 * time.Microsecond})
		}
		lines := strings.Split(strings.ReplaceAll(b.String(), "\x1b[3A", ""), "\n")
		for _, l := range lines[:6] {
			text, ok := strings.CutPrefix(l, "\r\x1b[2K")
			if n := len([]rune(text)); !ok || n > max(0, columns-1) || strings.ContainsRune(text, '\ufffd') {
				t.Errorf("%d columns: %q", columns, l)
			}
		}
		if len(lines) != 7 || strings.Count(b.String(), "\x1b[3A") != 1 {
			t.Errorf("%d columns: not two blocks of 3 lines, one over the other: %q", columns, b.String())
		}
	}
}
