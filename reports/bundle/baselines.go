package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"arqload/analysis/compare"
)

// Baselines is a folder of baselines, made to be kept in git: a folder for each, in it a small
// text file for each run, with one metric a line, so that two people who add runs do not touch
// the same file and a change of one metric is one changed line.
type Baselines struct{ dir string }

// OpenBaselines names the folder; it need not exist.
func OpenBaselines(dir string) Baselines { return Baselines{dir} }

// baselineName is a name that is a folder's on every system.
var baselineName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

const runSuffix = ".json"

func (b Baselines) folder(name string) (string, error) {
	if !baselineName.MatchString(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%q is no name of a baseline: write up to 100 letters, digits, _, . or -, the first of them no dot", name)
	}
	return filepath.Join(b.dir, name), nil
}

// Names returns the baselines there are, sorted: folders that hold a run.
func (b Baselines) Names() ([]string, error) {
	entries, err := os.ReadDir(b.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the baselines: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || !baselineName.MatchString(e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		inside, err := os.ReadDir(filepath.Join(b.dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the baselines: %w", err)
		}
		if slices.ContainsFunc(inside, isRun) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isRun reports whether a file of a baseline's folder holds a run.
func isRun(e os.DirEntry) bool {
	return !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), runSuffix)
}

// Runs returns the runs of a baseline, oldest first. A baseline that does not exist is an error;
// so is a file in it that cannot be read: a comparison with a part would be another comparison.
// Runs of two loads in one folder, as a merge in git can bring them together, are an error too.
func (b Baselines) Runs(name string) ([]compare.Run, error) {
	dir, err := b.folder(name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, b.unknown(name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the baseline %s: %w", name, err)
	}
	var runs []compare.Run
	for _, e := range entries {
		if !isRun(e) {
			continue
		}
		r, err := readBaselineRun(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, b.unknown(name)
	}
	slices.SortFunc(runs, func(x, y compare.Run) int {
		return strings.Compare(x.StartedAt+x.ID, y.StartedAt+y.ID)
	})
	for _, r := range runs[1:] {
		if d := compare.LoadChanges(r.Load, runs[0].Load); len(d) > 0 {
			return nil, fmt.Errorf("the runs of the baseline %s are of different loads, so nothing can be compared with it: of %s, with %s as the baseline: %s; take one kind out with arqload baseline remove %s RUN",
				name, r.ID, runs[0].ID, strings.Join(d, "; "), name)
		}
	}
	return runs, nil
}

func (b Baselines) unknown(name string) error {
	names, err := b.Names()
	if err == nil && len(names) > 0 {
		return fmt.Errorf("there is no baseline %s in %s: there are %s; arqload baseline add %s BUNDLE makes it", name, b.dir, strings.Join(names, ", "), name)
	}
	return fmt.Errorf("there is no baseline %s in %s: arqload baseline add %s BUNDLE makes it, --store names another folder", name, b.dir, name)
}

// Add keeps a run in a baseline, which need not exist.
func (b Baselines) Add(name string, r compare.Run) error {
	dir, err := b.folder(name)
	if err != nil {
		return err
	}
	if !baselineName.MatchString(r.ID) {
		return fmt.Errorf("the run's id %q cannot be a file's name", r.ID)
	}
	path := filepath.Join(dir, r.ID+runSuffix)
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("the run %s is in the baseline %s already (%s)", r.ID, name, path)
	}
	content, err := encodeBaselineRun(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the baseline: %w", err)
	}
	if err := WriteFile(path, content); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	return nil
}

// Remove takes one run out of a baseline.
func (b Baselines) Remove(name, id string) error {
	dir, err := b.folder(name)
	if err != nil {
		return err
	}
	if !baselineName.MatchString(id) {
		return fmt.Errorf("%q is no run's id: arqload baseline show %s lists them", id, name)
	}
	err = os.Remove(filepath.Join(dir, id+runSuffix))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no run %s in the baseline %s: arqload baseline show %s lists them", id, name, name)
	}
	if err != nil {
		return fmt.Errorf("removing the run: %w", err)
	}
	_ = os.Remove(dir) // where it was the last
	return nil
}

// RemoveAll removes a baseline: its runs, and nothing else that its folder may hold.
func (b Baselines) RemoveAll(name string) error {
	dir, err := b.folder(name)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return b.unknown(name)
	}
	if err != nil {
		return fmt.Errorf("removing the baseline: %w", err)
	}
	for _, e := range entries {
		if isRun(e) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("removing the baseline: %w", err)
			}
		}
	}
	if err := os.Remove(dir); err != nil {
		return fmt.Errorf("the runs of %s are removed, its folder is not: %w", name, err)
	}
	return nil
}

// encodeBaselineRun writes a run with one value a line, but for metrics, lanes and phases, which
// have a line each. The order of the keys is that of the form.
func encodeBaselineRun(r compare.Run) ([]byte, error) {
	var w bytes.Buffer
	var failed error
	compact := func(v any) []byte {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		failed = errors.Join(failed, e.Encode(v))
		return bytes.TrimSpace(b.Bytes())
	}
	field := func(indent, key string, v any, last bool) {
		fmt.Fprintf(&w, "%s%s: %s", indent, compact(key), compact(v))
		if !last {
			w.WriteByte(',')
		}
		w.WriteByte('\n')
	}
	w.WriteString("{\n")
	field("  ", "schema", r.Schema, false)
	field("  ", "id", r.ID, false)
	field("  ", "name", r.Name, false)
	field("  ", "started_at", r.StartedAt, false)
	field("  ", "plan_sha256", r.PlanSHA256, false)
	field("  ", "tool_version", r.ToolVersion, false)
	w.WriteString("  \"load\": {\n")
	field("    ", "arrivals", r.Load.Arrivals, false)
	lines(&w, "    ", "phases", r.Load.Phases, compact, false)
	lines(&w, "    ", "lanes", r.Load.Lanes, compact, true)
	w.WriteString("  },\n  \"environment\": {\n")
	keys := make([]string, 0, len(r.Environment))
	for k := range r.Environment {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		field("    ", k, r.Environment[k], i == len(keys)-1)
	}
	w.WriteString("  },\n")
	field("  ", "watched", r.Watched, false)
	lines(&w, "  ", "metrics", r.Metrics, compact, true)
	w.WriteString("}\n")
	if failed != nil {
		return nil, fmt.Errorf("writing a run of a baseline: %w", failed)
	}
	return w.Bytes(), nil
}

// lines writes a list with one item a line.
func lines[T any](w *bytes.Buffer, indent, key string, items []T, compact func(any) []byte, last bool) {
	fmt.Fprintf(w, "%s%q: [", indent, key)
	for i, x := range items {
		if i > 0 {
			w.WriteByte(',')
		}
		fmt.Fprintf(w, "\n%s  %s", indent, compact(x))
	}
	if len(items) > 0 {
		w.WriteString("\n" + indent)
	}
	w.WriteByte(']')
	if !last {
		w.WriteByte(',')
	}
	w.WriteByte('\n')
}

// readBaselineRun reads what Add wrote.
func readBaselineRun(path string) (compare.Run, error) {
	var r compare.Run
	raw, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("reading a run of the baseline: %w", err)
	}
	bad := func(format string, args ...any) (compare.Run, error) {
		return r, fmt.Errorf("%s is damaged or no run of a baseline: %s; restore it, or remove the file", path, fmt.Sprintf(format, args...))
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return bad("%v", err)
	}
	if r.Schema != compare.Schema {
		return bad("its form is %q, this tool reads %q", r.Schema, compare.Schema)
	}
	if r.ID+runSuffix != filepath.Base(path) {
		return bad("it holds the run %q: two runs of one baseline would be the same", r.ID)
	}
	if len(r.Metrics) == 0 || len(r.Load.Lanes) == 0 {
		return bad("it has no metrics or no load")
	}
	for _, m := range r.Metrics {
		if m.Value < 0 || m.SE < 0 || m.Phi < 0 || m.Unit == compare.UnitShare && m.Value > 1 || math.IsInf(m.Value, 0) {
			return bad("%s is %v", m.Label(), m.Value)
		}
	}
	return r, nil
}
