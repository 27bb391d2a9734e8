// Package bundle keeps runs on disk: one folder a run with all of its evidence, written
// as it happens so that a crash at any moment leaves either the old state or a bundle
// that says it is partial, and read back into the same observation.
package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"arqload/analysis/observation"
)

// The files of a bundle.
const (
	PlanFile    = "plan.yaml"      // as resolved, secrets redacted
	RunFile     = "run.json"       // header and footer; no footer: the bundle is partial
	LatencyFile = "latency.hlog"   // HdrHistogram interval log, format 1.3, microseconds
	SecondsFile = "seconds.ndjson" // a line a second
	SamplesFile = "samples.ndjson" // a line a collector sample
	ErrorsFile  = "errors.ndjson"  // examples of failures
	SlowestFile = "slowest.ndjson" // examples of slow arrivals
	ReportJSON  = "report.json"
	ReportText  = "report.txt"
)

// runFile is the form of RunFile.
type runFile struct {
	Schema string              `json:"schema"`
	Header observation.Header  `json:"header"`
	Footer *observation.Footer `json:"footer"`
}

const schema = "arqload.run/1"

// Writer records a run in a new folder. It is an observation.Recorder.
type Writer struct {
	dir    string
	id     string
	header observation.Header

	seconds, samples, errors, slowest, latency *os.File
}

// Create makes the folder <UTC time>-<name> under parent, and parent itself. Nothing in
// it counts as a bundle before Begin.
func Create(parent, name string, at time.Time, plan []byte) (*Writer, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for bundles: %w", err)
	}
	base := at.UTC().Format("20060102T150405Z") + "-" + name
	w := &Writer{}
	for n := 1; ; n++ {
		w.id = base
		if n > 1 {
			w.id = fmt.Sprintf("%s-%d", base, n)
		}
		w.dir = filepath.Join(parent, w.id)
		err := os.Mkdir(w.dir, 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("making the bundle: %w", err)
		}
	}
	if err := WriteFile(filepath.Join(w.dir, PlanFile), plan); err != nil {
		return nil, err
	}
	for name, f := range map[string]**os.File{
		SecondsFile: &w.seconds, SamplesFile: &w.samples, ErrorsFile: &w.errors, SlowestFile: &w.slowest, LatencyFile: &w.latency,
	} {
		var err error
		if *f, err = os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
			return nil, fmt.Errorf("making the bundle: %w", err)
		}
	}
	return w, nil
}

// Dir is the bundle's folder.
func (w *Writer) Dir() string { return w.dir }

// ID is the bundle's name: the run's id.
func (w *Writer) ID() string { return w.id }

// Discard removes a bundle in which nothing was recorded: the run could not begin.
func (w *Writer) Discard() error {
	w.close()
	return os.RemoveAll(w.dir)
}

// Begin writes the header.
func (w *Writer) Begin(h observation.Header) error {
	w.header = h
	if err := w.writeRun(nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w.latency, "#[Histogram log format version 1.3]\n"+
		"#[Values are microseconds; Tag=scenario/step/outcome/clock; Interval_Max is in milliseconds]\n"+
		"#[BaseTime: %[1]s (seconds since epoch)]\n#[StartTime: %[1]s (seconds since epoch), %[2]s]\n"+
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
		fmt.Sprintf("%d.%03d", h.StartedAt.Unix(), h.StartedAt.Nanosecond()/1e6), h.StartedAt.Format(time.RFC3339))
	return err
}

// Second appends a second: its histograms first, so that a line in seconds.ndjson says
// that the second is whole.
func (w *Writer) Second(s observation.Second, intervals []observation.Interval) error {
	var lines []byte
	for _, i := range intervals {
		if i.Hist.Count() == 0 {
			continue
		}
		payload, err := i.Hist.Encode()
		if err != nil {
			return err
		}
		longest, _ := i.Hist.Max()
		lines = fmt.Appendf(lines, "Tag=%s,%.6f,%.6f,%.3f,%s\n", i.Series.Tag(), s.Start.Duration().Seconds(), s.Length.Duration().Seconds(),
			float64(longest)/float64(time.Millisecond), payload)
	}
	if _, err := w.latency.Write(lines); err != nil {
		return err
	}
	return appendJSON(w.seconds, s)
}

// Sample appends a sample.
func (w *Writer) Sample(s observation.Sample) error { return appendJSON(w.samples, s) }

// Example appends a failed request.
func (w *Writer) Example(e observation.Example) error { return appendJSON(w.errors, e) }

// Slow appends a slow arrival.
func (w *Writer) Slow(s observation.Slow) error { return appendJSON(w.slowest, s) }

// End writes the footer and closes the files: the bundle is whole.
func (w *Writer) End(f observation.Footer) error {
	if err := w.close(); err != nil {
		return err
	}
	return w.writeRun(&f)
}

func (w *Writer) close() error {
	var errs []error
	for _, f := range []*os.File{w.seconds, w.samples, w.errors, w.slowest, w.latency} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (w *Writer) writeRun(f *observation.Footer) error {
	b, err := json.MarshalIndent(runFile{Schema: schema, Header: w.header, Footer: f}, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(w.dir, RunFile), append(b, '\n'))
}

// appendJSON writes one line with one write, so that a crash cannot mix two lines.
func appendJSON(f *os.File, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return err
}

// WriteFile replaces a file as a whole: a reader sees the old content or the new.
func WriteFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(content); err != nil {
		tmp.Close()
		return err
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
