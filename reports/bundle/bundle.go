// Package bundle keeps runs on disk: one folder a run with all of its evidence, written
// as it happens so that a crash at any moment leaves either the old state or a bundle
// that says it is partial, and read back into the same observation.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
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
	// Files seals the other files when the footer is written: one that was cut or changed
	// later is found, where its lines alone would not show it.
	Files map[string]seal `json:"files,omitempty"`
}

// seal is the content of a whole file.
type seal struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// sealer makes the seal of what is written to it.
type sealer struct {
	n   int64
	sum hash.Hash
}

func newSealer() *sealer { return &sealer{sum: sha256.New()} }

func (s *sealer) Write(b []byte) (int, error) {
	s.n += int64(len(b))
	return s.sum.Write(b)
}

func (s *sealer) seal() seal { return seal{Bytes: s.n, SHA256: hex.EncodeToString(s.sum.Sum(nil))} }

// file is one of the bundle's growing files.
type file struct {
	*os.File
	sealer *sealer
}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	_, _ = f.sealer.Write(b[:n]) // a hash takes everything
	return n, err
}

const schema = "arqload.run/1"

// Writer records a run in a new folder. It is an observation.Recorder.
type Writer struct {
	dir    string
	id     string
	header observation.Header
	begun  bool

	seconds, samples, errors, slowest, latency *file
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
	if err := w.open(plan); err != nil {
		return nil, errors.Join(fmt.Errorf("making the bundle: %w", err), w.Discard())
	}
	return w, nil
}

func (w *Writer) open(plan []byte) error {
	if err := WriteFile(filepath.Join(w.dir, PlanFile), plan); err != nil {
		return err
	}
	for name, to := range map[string]**file{
		SecondsFile: &w.seconds, SamplesFile: &w.samples, ErrorsFile: &w.errors, SlowestFile: &w.slowest, LatencyFile: &w.latency,
	} {
		f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		*to = &file{File: f, sealer: newSealer()}
	}
	return nil
}

// Dir is the bundle's folder.
func (w *Writer) Dir() string { return w.dir }

// ID is the bundle's name: the run's id.
func (w *Writer) ID() string { return w.id }

// Begun reports whether the record has begun: the folder is a bundle and holds evidence.
func (w *Writer) Begun() bool { return w.begun }

// Discard removes a bundle in which nothing was recorded: the run could not begin.
func (w *Writer) Discard() error {
	for _, f := range w.files() {
		_ = f.Close() // it is thrown away
	}
	return os.RemoveAll(w.dir)
}

// Begin writes the header.
func (w *Writer) Begin(h observation.Header) error {
	w.header = h
	if err := w.writeRun(nil); err != nil {
		return err
	}
	w.begun = true
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
		// Rounded first: Read finds the second by the same microsecond.
		start, length := s.Start.Duration().Round(time.Microsecond), s.Length.Duration().Round(time.Microsecond)
		lines = fmt.Appendf(lines, "Tag=%s,%.6f,%.6f,%.3f,%s\n", i.Series.Tag(), start.Seconds(), length.Seconds(),
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

// End closes the files and writes the footer: the bundle is whole. The files reach the
// disk first, so that no footer vouches for what a power cut took.
func (w *Writer) End(f observation.Footer) error {
	var errs []error
	for _, f := range w.files() {
		errs = append(errs, f.Sync(), f.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.writeRun(&f)
}

// files are the growing files that are open, by name.
func (w *Writer) files() map[string]*file {
	all := map[string]*file{SecondsFile: w.seconds, SamplesFile: w.samples, ErrorsFile: w.errors, SlowestFile: w.slowest, LatencyFile: w.latency}
	maps.DeleteFunc(all, func(_ string, f *file) bool { return f == nil })
	return all
}

func (w *Writer) writeRun(f *observation.Footer) error {
	rf := runFile{Schema: schema, Header: w.header, Footer: f}
	if f != nil {
		rf.Files = map[string]seal{}
		for name, f := range w.files() {
			rf.Files[name] = f.sealer.seal()
		}
	}
	b, err := json.MarshalIndent(rf, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(w.dir, RunFile), append(b, '\n'))
}

// appendJSON writes one line with one write, so that a crash cannot mix two lines.
func appendJSON(f *file, v any) error {
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
