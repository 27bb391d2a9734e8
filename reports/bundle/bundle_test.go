package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"arqload/analysis"
	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// same compares records by value: empty and nil are the same, and a histogram is its counts.
var same = cmp.Options{cmpopts.EquateEmpty(), cmp.Transformer("encoded", func(h *hist.Histogram) string {
	s, err := h.Encode()
	if err != nil {
		panic(err)
	}
	return s
})}

type tb interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Helper()
}

func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t tb, parent string) *Writer {
	t.Helper()
	w, err := Create(parent, "test", time.Now(), []byte("version: 1\n"))
	must(t, err)
	return w
}

func read(t tb, dir string) *observation.Run {
	t.Helper()
	run, err := Read(dir)
	must(t, err)
	return run
}

// remembered is what observation.Memory makes of the same calls.
func remembered(t tb, calls []call) *observation.Run {
	t.Helper()
	var m observation.Memory
	for _, c := range calls {
		must(t, c(&m))
	}
	return &m.Run
}

func TestWhatIsReadBackIsWhatWasRecorded(t *testing.T) {
	parent := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		calls := genCalls(rt)
		w := create(rt, parent)
		defer os.RemoveAll(w.Dir())
		for _, c := range calls {
			must(rt, c(w))
		}
		if diff := cmp.Diff(remembered(rt, calls), read(rt, w.Dir()), same); diff != "" {
			rt.Fatalf("-recorded +read:\n%s", diff)
		}
	})
}

// A series in which nothing was counted has no line; the log's readers do not expect one.
func TestAnEmptyHistogramHasNoLine(t *testing.T) {
	w := create(t, t.TempDir())
	must(t, w.Begin(observation.Header{Version: observation.Version}))
	before := snapshot(t, w.Dir())[LatencyFile]
	must(t, w.Second(observation.Second{Judged: true}, []observation.Interval{{Series: observation.Series{Scenario: "auth", Step: "all", Outcome: "ok", Clock: "response"}, Hist: hist.New()}}))
	if after := snapshot(t, w.Dir())[LatencyFile]; !bytes.Equal(before, after) {
		t.Errorf("the log grew by %q", after[len(before):])
	}
	if n := len(read(t, w.Dir()).Seconds); n != 1 {
		t.Errorf("%d seconds, want 1", n)
	}
}

// Textual surprises that encoding/json does not keep byte for byte must at least not make a
// bundle unreadable.
func TestBytesThatAreNoTextDoNotBreakABundle(t *testing.T) {
	w := create(t, t.TempDir())
	must(t, w.Begin(observation.Header{Version: observation.Version}))
	must(t, w.Example(observation.Example{Message: "\xff\xfe\x00\n\u2028</script>", Answer: "\x1b[31m"}))
	must(t, w.End(observation.Footer{}))
	if got, want := read(t, w.Dir()).Errors[0].Message, "\ufffd\ufffd\x00\n\u2028</script>"; got != want {
		t.Errorf("read back %q, want %q", got, want)
	}
}

// small is a run of three seconds, each with 90 answers of 10 ms and 10 of 2 s, and one line
// in each of the other files.
func small(whole bool) []call {
	auth := observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}
	token := observation.Series{Scenario: "auth", Step: "token", Outcome: observation.OK, Clock: observation.Service}
	calls := []call{func(r observation.Recorder) error {
		return r.Begin(observation.Header{Version: observation.Version, Name: "small", StartedAt: time.Date(2026, 11, 23, 9, 15, 0, 123e6, time.UTC),
			Phases: []observation.Phase{{Name: "steady", Judged: true, End: observation.Seconds(3 * time.Second)}},
			Lanes:  []observation.Lane{{Scenario: "auth", Steps: []string{"token"}, RatePerS: 100, PlannedRun: 300, PlannedJudg: 300}}})
	}}
	for s := range 3 {
		calls = append(calls, func(r observation.Recorder) error {
			h := hist.New()
			h.RecordN(10*time.Millisecond, 90)
			h.RecordN(2*time.Second, 10)
			tally := observation.Tally{Planned: 100, Sent: 100, Results: observation.Results{OK: 100}}
			return r.Second(observation.Second{Start: observation.Seconds(s) * observation.Seconds(time.Second), Length: observation.Seconds(time.Second), Phase: "steady", Judged: true,
				Tally: tally, Requests: 100, CompletedOK: 100, Completed: 100,
				Scenarios: map[string]*observation.LaneSecond{"auth": {Tally: tally, Requests: 100, CompletedOK: 100}}},
				[]observation.Interval{{Series: auth, Hist: h}, {Series: token, Hist: h}})
		}, func(r observation.Recorder) error {
			return errors.Join(r.Sample(observation.Sample{Collector: "selfhealth", Data: []byte(`{"gomaxprocs":2}`)}),
				r.Example(observation.Example{Scenario: "auth", Message: "answered 503"}), r.Slow(observation.Slow{Scenario: "auth", OK: true}))
		})
	}
	if whole {
		calls = append(calls, func(r observation.Recorder) error {
			return r.End(observation.Footer{Ended: observation.Seconds(3 * time.Second)})
		})
	}
	return calls
}

func recorded(t *testing.T, whole bool) (dir string) {
	t.Helper()
	w := create(t, t.TempDir())
	for _, c := range small(whole) {
		must(t, c(w))
	}
	return w.Dir()
}

// Others' viewers read the interval log: the library's own reader stands for them.
func TestTheLatencyLogIsTheFieldsOwn(t *testing.T) {
	dir := recorded(t, true)
	f, err := os.Open(filepath.Join(dir, LatencyFile))
	must(t, err)
	defer f.Close()
	log := hdrhistogram.NewHistogramLogReader(bufio.NewReader(f))
	const base = 1795425300_123 // 2026-11-23 09:15:00.123 UTC in ms
	var found []string
	for {
		h, err := log.NextIntervalHistogram()
		must(t, err)
		if h == nil {
			break
		}
		// 90 times 10 ms and 10 times 2 s, in microseconds and within a bucket's 0.1%.
		var fast int64
		for _, b := range h.Distribution() {
			if b.To <= 10_010 {
				fast += b.Count
			}
		}
		if h.TotalCount() != 100 || fast != 90 || h.Max() < 2_000_000 || h.Max() > 2_002_000 {
			t.Errorf("%s: %d counts, %d up to 10.01 ms, longest %d µs", h.Tag(), h.TotalCount(), fast, h.Max())
		}
		found = append(found, fmt.Sprintf("%s %d..%d", h.Tag(), h.StartTimeMs()-base, h.EndTimeMs()-base))
	}
	want := []string{
		"auth/all/ok/response 0..1000", "auth/token/ok/service 0..1000",
		"auth/all/ok/response 1000..2000", "auth/token/ok/service 1000..2000",
		"auth/all/ok/response 2000..3000", "auth/token/ok/service 2000..3000",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("-want +found:\n%s", diff)
	}
}

// cuts are the lengths, from the given one, at which a file may be cut: each end of a line and
// one byte beside it, and every few bytes between.
func cuts(content []byte, from int) []int {
	var all []int
	for n := from; n < len(content); n++ {
		near := n < from+2 || n > len(content)-3 || bytes.IndexByte(content[max(0, n-2):n+1], '\n') >= 0
		if near || n%23 == 0 {
			all = append(all, n)
		}
	}
	return all
}

// snapshot returns the content of a bundle's files.
func snapshot(t tb, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	files := map[string][]byte{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		files[e.Name()] = content
	}
	return files
}

// The process may die between any two bytes. What is then on disk is read as far as it
// goes: the seconds that were whole with exactly their histograms, said to be partial.
func TestACrashAtAnyByteLeavesAPartialBundle(t *testing.T) {
	calls := small(true)
	w := create(t, t.TempDir())
	seconds, died := 0, t.TempDir()
	before := snapshot(t, w.Dir())
	for n, c := range calls {
		must(t, c(w))
		after := snapshot(t, w.Dir())
		// One call appends to several files in this order.
		for _, name := range []string{RunFile, LatencyFile, SecondsFile, SamplesFile, ErrorsFile, SlowestFile} {
			if name == RunFile { // replaced as a whole
				continue
			}
			for _, cut := range cuts(after[name], len(before[name])) {
				state := maps.Clone(before)
				state[RunFile] = after[RunFile]
				state[name] = after[name][:cut]
				writeState(t, died, state)
				run := read(t, died)
				if run.Footer != nil && n < len(calls)-1 {
					t.Fatalf("call %d, %s at byte %d: the bundle does not say that it is partial", n, name, cut)
				}
				if diff := cmp.Diff(remembered(t, calls[:1+2*seconds]).Latency, run.Latency, same); diff != "" || len(run.Seconds) != seconds {
					t.Fatalf("call %d, %s at byte %d: %d seconds, want %d, and their histograms (-want +read):\n%s", n, name, cut, len(run.Seconds), seconds, diff)
				}
				if cut > len(before[name]) && after[name][cut-1] != '\n' && len(run.Warnings) == 0 {
					t.Fatalf("call %d, %s at byte %d: no warning of the line that is cut off", n, name, cut)
				}
			}
			if name == SecondsFile && len(after[name]) > len(before[name]) {
				seconds++
			}
			before[name] = after[name]
		}
		before = after
	}
	if seconds != 3 || read(t, w.Dir()).Footer == nil {
		t.Fatalf("%d seconds in the end, want 3 and a footer", seconds)
	}
}

func writeState(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
}

// A file may be cut by others: a full disk while copying, a hurried hand. A bundle with a
// footer then is refused; one without stays partial and never passes.
func TestACutFileIsNeverTakenForAWholeOne(t *testing.T) {
	for _, whole := range []bool{true, false} {
		dir := recorded(t, whole)
		original, files := read(t, dir), snapshot(t, dir)
		for name, content := range files {
			if name == PlanFile {
				continue // the next test's
			}
			path := filepath.Join(dir, name)
			for _, cut := range cuts(content, 0) {
				must(t, os.WriteFile(path, content[:cut], 0o644))
				run, err := Read(dir)
				switch {
				case err != nil && !strings.Contains(err.Error(), dir):
					t.Errorf("%s cut at byte %d: the error does not name the file: %v", name, cut, err)
				case err != nil:
				case whole && !cmp.Equal(original, run, same):
					t.Fatalf("%s cut at byte %d of %d is read as whole, but is not the original", name, cut, len(content))
				case !whole && (run.Footer != nil || analysis.Judge(analysis.Summarize(run), nil).Judgement == analysis.Pass):
					t.Fatalf("%s cut at byte %d of %d passes", name, cut, len(content))
				}
			}
			must(t, os.Remove(path))
			if _, err := Read(dir); err == nil {
				t.Errorf("a bundle without %s is read", name)
			}
			must(t, os.WriteFile(path, content, 0o644))
		}
	}
}

func TestAChangedFileIsFound(t *testing.T) {
	dir := recorded(t, true)
	for _, name := range []string{SecondsFile, SamplesFile, ErrorsFile, SlowestFile, LatencyFile} {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		must(t, err)
		for what, changed := range map[string][]byte{
			"a line more":       append(slices.Clone(content), content[bytes.LastIndexByte(content[:len(content)-1], '\n')+1:]...),
			"a figure changed":  bytes.Replace(content, []byte("0"), []byte("1"), 1),
			"a comment added":   append(slices.Clone(content), "\n"...),
			"the last line cut": content[:bytes.LastIndexByte(content[:len(content)-1], '\n')+1],
			"emptied":           nil,
		} {
			must(t, os.WriteFile(path, changed, 0o644))
			if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %s: error %v, want one that names the file", name, what, err)
			}
		}
		must(t, os.WriteFile(path, content, 0o644))
	}
	read(t, dir)
}

// A plan without its last objective would turn a failed run into a passed one.
func TestAChangedPlanIsFound(t *testing.T) {
	plan := []byte("version: 1\nobjectives:\n  - p50 < 1s\n  - p99 < 2s\n")
	w, err := Create(t.TempDir(), "plan", time.Now(), plan)
	must(t, err)
	sum := sha256.Sum256(plan)
	must(t, w.Begin(observation.Header{Version: observation.Version, PlanSHA256: hex.EncodeToString(sum[:])}))
	path, content, err := Plan(w.Dir())
	if err != nil || !bytes.Equal(content, plan) || path != filepath.Join(w.Dir(), PlanFile) {
		t.Fatalf("%s, %q, %v; want the plan", path, content, err)
	}
	for cut := range plan {
		must(t, os.WriteFile(path, plan[:cut], 0o644))
		if _, _, err := Plan(w.Dir()); err == nil || !strings.Contains(err.Error(), PlanFile) {
			t.Fatalf("cut at byte %d: error %v, want one that names %s", cut, err, PlanFile)
		}
	}
}

func TestABundleOfAnotherFormIsRefused(t *testing.T) {
	dir := recorded(t, true)
	path := filepath.Join(dir, RunFile)
	content, err := os.ReadFile(path)
	must(t, err)
	for _, change := range [][2]string{{`"arqload.run/1"`, `"arqload.run/2"`}, {`"version": 1`, `"version": 2`}, {`"schema"`, `"scheme"`}} {
		must(t, os.WriteFile(path, bytes.Replace(content, []byte(change[0]), []byte(change[1]), 1), 0o644))
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "this tool reads") {
			t.Errorf("%s: error %v, want one that says which form is read", change[1], err)
		}
	}
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nowhere")} {
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "is no bundle") {
			t.Errorf("%s: error %v, want that it is no bundle", dir, err)
		}
	}
}

func TestTwoRunsOfOneSecondHaveTwoFolders(t *testing.T) {
	parent, at := filepath.Join(t.TempDir(), "not", "there", "yet"), time.Date(2026, 11, 23, 10, 15, 0, 0, time.FixedZone("CET", 3600))
	var ids []string
	for range 3 {
		w, err := Create(parent, "base", at, nil)
		must(t, err)
		if filepath.Join(parent, w.ID()) != w.Dir() {
			t.Errorf("id %s, folder %s", w.ID(), w.Dir())
		}
		ids = append(ids, w.ID())
	}
	if want := []string{"20261123T091500Z-base", "20261123T091500Z-base-2", "20261123T091500Z-base-3"}; !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
}

func TestNothingIsLeftOfARunThatCouldNotBegin(t *testing.T) {
	parent := t.TempDir()
	w := create(t, parent)
	if w.Begun() {
		t.Error("begun before Begin")
	}
	must(t, w.Discard())
	if left := snapshot(t, parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	w = create(t, parent)
	must(t, w.Begin(observation.Header{}))
	if !w.Begun() {
		t.Error("not begun after Begin")
	}
}

// full fails every write with ENOSPC.
func full(t *testing.T) *file {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full:", err)
	}
	t.Cleanup(func() { f.Close() })
	return &file{File: f, sealer: newSealer()}
}

func TestADiskErrorReachesTheCaller(t *testing.T) {
	for name, breakIt := range map[string]func(*Writer) (call, **file){
		LatencyFile: func(w *Writer) (call, **file) { return small(true)[1], &w.latency },
		SecondsFile: func(w *Writer) (call, **file) { return small(true)[1], &w.seconds },
		SamplesFile: func(w *Writer) (call, **file) { return small(true)[2], &w.samples },
		ErrorsFile:  func(w *Writer) (call, **file) { return small(true)[2], &w.errors },
		SlowestFile: func(w *Writer) (call, **file) { return small(true)[2], &w.slowest },
		"begin":     func(w *Writer) (call, **file) { return small(true)[0], &w.latency },
	} {
		w := create(t, t.TempDir())
		must(t, small(true)[0](w))
		do, broken := breakIt(w)
		*broken = full(t)
		if err := do(w); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v, want ENOSPC", name, err)
		}
		if run := read(t, w.Dir()); run.Footer != nil {
			t.Errorf("%s: the bundle does not say that it is partial", name)
		}
	}
	// The footer cannot be written where the folder is gone.
	w := create(t, t.TempDir())
	must(t, small(true)[0](w))
	must(t, os.RemoveAll(w.Dir()))
	if err := w.End(observation.Footer{}); err == nil {
		t.Error("a footer was written into a folder that is not there")
	}
	// Neither a file in the folder's place nor a missing right is a bundle.
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o644))
	if _, err := Create(file, "x", time.Now(), nil); err == nil {
		t.Error("a bundle was made in a file")
	}
	if _, err := Create(t.TempDir(), "no/such/folder", time.Now(), nil); err == nil {
		t.Error("a bundle was made in a folder that is not there")
	}
}

// A reader beside the writer sees the old content or the new, and no half of either.
func TestAReplacedFileIsNeverSeenInHalves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	contents := [2][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<19)}
	must(t, WriteFile(path, contents[0]))
	done := make(chan error, 1)
	go func() {
		for i := range 40 {
			if err := WriteFile(path, contents[i%2]); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		got, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("%d bytes that are neither content", len(got))
		}
		select {
		case err := <-done:
			must(t, err)
			if left := snapshot(t, filepath.Dir(path)); len(left) != 1 {
				t.Errorf("temporary files are left: %v", reflect.ValueOf(left).MapKeys())
			}
			return
		default:
		}
	}
}
