package bundle

import (
	"bufio"
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
func Read(dir string) (*observation.Run, error) {
	raw, err := os.ReadFile(filepath.Join(dir, RunFile))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is no bundle: it has no %s", dir, RunFile)
		}
		return nil, err
	}
	var rf runFile
	if err := json.Unmarshal(raw, &rf); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, RunFile), err)
	}
	if rf.Schema != schema || rf.Header.Version != observation.Version {
		return nil, fmt.Errorf("%s was written in the form %q version %d; this tool reads %q version %d",
			dir, rf.Schema, rf.Header.Version, schema, observation.Version)
	}
	var m observation.Memory
	if err := m.Begin(rf.Header); err != nil {
		return nil, err
	}
	m.Run.Footer = rf.Footer

	judged := map[int64]bool{} // by start in microseconds, as in the interval log
	err = errors.Join(
		readLines(&m.Run, dir, SecondsFile, func(s observation.Second) error {
			judged[s.Start.Duration().Round(time.Microsecond).Microseconds()] = s.Judged
			return m.Second(s, nil)
		}),
		readLines(&m.Run, dir, SamplesFile, m.Sample),
		readLines(&m.Run, dir, ErrorsFile, m.Example),
		readLines(&m.Run, dir, SlowestFile, m.Slow),
	)
	if err != nil {
		return nil, err
	}
	if err := readLatency(&m, dir, judged); err != nil {
		return nil, err
	}
	return &m.Run, nil
}

// Plan returns the bundle's plan file.
func Plan(dir string) (path string, content []byte, err error) {
	path = filepath.Join(dir, PlanFile)
	content, err = os.ReadFile(path)
	return path, content, err
}

// readLines reads a file of JSON lines. Where the writer died, its last line may be cut:
// that one is left out with a warning. Anything else unreadable is an error, since a
// judgement on half of the evidence would be a lie.
func readLines[T any](run *observation.Run, dir, name string, each func(T) error) error {
	return scan(run, dir, name, func(line []byte) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		return each(v)
	})
}

func scan(run *observation.Run, dir, name string, each func(line []byte) error) error {
	path := filepath.Join(dir, name)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			if len(line) > 0 {
				if run.Footer != nil {
					return fmt.Errorf("%s:%d: the line is cut although the run ended well: the file was changed or damaged", path, n)
				}
				run.Warnings = append(run.Warnings, fmt.Sprintf("%s: line %d is cut off and was left out: the process died while writing it", name, n))
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

func readLatency(m *observation.Memory, dir string, judged map[int64]bool) error {
	orphans := 0
	err := scan(&m.Run, dir, LatencyFile, func(line []byte) error {
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
		j, known := judged[time.Duration(start*1e9).Round(time.Microsecond).Microseconds()]
		if !known {
			orphans++
			return nil
		}
		m.Interval(j, observation.Interval{Series: series, Hist: h})
		return nil
	})
	if err != nil {
		return err
	}
	if orphans > 0 {
		if m.Run.Footer != nil {
			return fmt.Errorf("%s: %d histograms belong to no second in %s: a file was changed or damaged", filepath.Join(dir, LatencyFile), orphans, SecondsFile)
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
