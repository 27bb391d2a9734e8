package bundle

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// Read reads a bundle back. A bundle whose writer died is read as far as it goes: its
// Footer is nil and its Warnings say what is missing.
func Read(dir string) (*observation.Run, error) { return load(dir, false) }

// ReadTotals is Read without the histograms of single seconds, which are needed only to
// judge limits that were not counted during the run, and grow with its length.
func ReadTotals(dir string) (*observation.Run, error) { return load(dir, true) }

func load(dir string, totalsOnly bool) (*observation.Run, error) {
	rf, err := readRun(dir)
	if err != nil {
		return nil, err
	}
	m := observation.Memory{TotalsOnly: totalsOnly}
	if err := m.Begin(rf.Header); err != nil {
		return nil, err
	}
	m.Run.Footer = rf.Footer

	known := map[int64]observation.Second{} // by start in microseconds, as in the interval log
	b := reader{dir: dir, seals: rf.Files, run: &m.Run}
	err = errors.Join(
		readLines(b, SecondsFile, func(s observation.Second) error {
			known[s.Start.Duration().Round(time.Microsecond).Microseconds()] = observation.Second{Start: s.Start, Judged: s.Judged}
			return m.Second(s, nil)
		}),
		readLines(b, SamplesFile, m.Sample),
		readLines(b, ErrorsFile, m.Example),
		readLines(b, SlowestFile, m.Slow),
	)
	if err != nil {
		return nil, err
	}
	if err := b.latency(&m, known); err != nil {
		return nil, err
	}
	return &m.Run, nil
}

func readRun(dir string) (runFile, error) {
	var rf runFile
	path := filepath.Join(dir, RunFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return rf, fmt.Errorf("%s is no bundle: it has no %s", dir, RunFile)
		}
		return rf, err
	}
	if err := json.Unmarshal(raw, &rf); err != nil {
		return rf, fmt.Errorf("%s: %w", path, err)
	}
	if rf.Schema != schema || rf.Header.Version != observation.Version {
		return rf, fmt.Errorf("%s was written in the form %q version %d; this tool reads %q version %d",
			dir, rf.Schema, rf.Header.Version, schema, observation.Version)
	}
	return rf, nil
}

// Plan returns the plan that the run was made with, and its file.
func Plan(dir string) (path string, content []byte, err error) {
	rf, err := readRun(dir)
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, PlanFile)
	if content, err = os.ReadFile(path); err != nil {
		return "", nil, fmt.Errorf("reading the bundle: %w", err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != rf.Header.PlanSHA256 {
		return "", nil, fmt.Errorf("%s was changed after the run: write other objectives into a plan of their own", path)
	}
	return path, content, nil
}

// reader reads the files beside RunFile into run. Where run has a footer, each must be as
// it was sealed.
type reader struct {
	dir   string
	seals map[string]seal
	run   *observation.Run
}

// readLines reads a file of JSON lines. Where the writer died, its last line may be cut:
// that one is left out with a warning. Anything else unreadable is an error, since a
// judgement on half of the evidence would be a lie.
func readLines[T any](b reader, name string, each func(T) error) error {
	return b.scan(name, func(line []byte) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		return each(v)
	})
}

func (b reader) scan(name string, each func(line []byte) error) error {
	path := filepath.Join(b.dir, name)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	defer f.Close()
	read := newSealer()
	r := bufio.NewReaderSize(io.TeeReader(f, read), 1<<16)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			if is, was := read.seal(), b.seals[name]; b.run.Footer != nil && is != was {
				return fmt.Errorf("%s was changed or damaged after the run: it holds %d bytes, SHA-256 %.12s, and was %d bytes, %.12s",
					path, is.Bytes, is.SHA256, was.Bytes, was.SHA256)
			}
			if len(line) > 0 {
				b.run.Warnings = append(b.run.Warnings, fmt.Sprintf("%s: line %d is cut off and was left out: the process died while writing it", name, n))
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := each(line); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
}

func (b reader) latency(m *observation.Memory, known map[int64]observation.Second) error {
	orphans := 0
	err := b.scan(LatencyFile, func(line []byte) error {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' || text[0] == '"' {
			return nil
		}
		fields := strings.Split(text, ",")
		if len(fields) != 5 {
			return fmt.Errorf("%d fields, expected Tag,start,length,max,histogram", len(fields))
		}
		series, err := parseTag(fields[0])
		if err != nil {
			return err
		}
		start, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return err
		}
		h, err := hist.Decode(fields[4])
		if err != nil {
			return err
		}
		s, ok := known[time.Duration(start*1e9).Round(time.Microsecond).Microseconds()]
		if !ok {
			orphans++
			return nil
		}
		m.Interval(s.Start, s.Judged, observation.Interval{Series: series, Hist: h})
		return nil
	})
	if err != nil {
		return err
	}
	if orphans > 0 {
		if m.Run.Footer != nil {
			return fmt.Errorf("%s: %d histograms belong to no second in %s", filepath.Join(b.dir, LatencyFile), orphans, SecondsFile)
		}
		m.Run.Warnings = append(m.Run.Warnings, fmt.Sprintf("%d histograms of a second that was not written whole were left out", orphans))
	}
	return nil
}

func parseTag(s string) (observation.Series, error) {
	tag, ok := strings.CutPrefix(s, "Tag=")
	p := strings.Split(tag, "/")
	if !ok || len(p) != 4 {
		return observation.Series{}, fmt.Errorf("tag %q, expected Tag=scenario/step/outcome/clock", s)
	}
	return observation.Series{Scenario: p[0], Step: p[1], Outcome: observation.Outcome(p[2]), Clock: observation.Clock(p[3])}, nil
}
