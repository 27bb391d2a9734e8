package scenarios_test

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

var update = flag.Bool("update", false, "write the problems found into testdata/mistakes.txt")

const basePlan = `version: 1
name: t
system: {base_url: "http://h", username: u, password: p}
load: [{scenario: auth, rate: 10/s}]
phases: [{name: steady, duration: 10s}]
`

// mistake is one case of testdata/mistakes.txt.
type mistake struct{ name, edits, want string }

func readMistakes(t testing.TB) (head string, cases []mistake) {
	t.Helper()
	text, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "\n== ")
	for _, b := range blocks[1:] {
		name, rest, _ := strings.Cut(b, "\n")
		i := strings.LastIndex("\n"+rest, "\n---\n")
		cases = append(cases, mistake{name, rest[:i], strings.TrimSpace(rest[i+len("---\n"):])})
	}
	return blocks[0], cases
}

// plan applies the edits to the base plan: each line begins with the number it gets.
func (m mistake) plan(t testing.TB) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(basePlan, "\n"), "\n")
	for _, edit := range strings.Split(strings.TrimSuffix(m.edits, "\n"), "\n") {
		number, text, _ := strings.Cut(edit, " ")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(lines)+1 {
			t.Fatalf("%s: bad edit %q", m.name, edit)
		}
		if n > len(lines) {
			lines = append(lines, "")
		}
		lines[n-1] = text
	}
	return strings.Join(lines, "\n") + "\n"
}

// environment has a value that must not be seen in any problem.
func environment(name string) (string, bool) {
	if name == "PATH_LIKE" {
		return "hunter2", true
	}
	return "", false
}

func noFiles(string) ([]byte, error) { return nil, os.ErrNotExist }

func problems(t testing.TB, src string) []string {
	t.Helper()
	p, err := scenarios.Parse("plan.yaml", []byte(src), environment, scenarios.Files(noFiles))
	if err == nil {
		return nil
	}
	if p != nil {
		t.Error("Parse returned a plan with mistakes beside its error")
	}
	var pe *scenarios.PlanError
	if !errors.As(err, &pe) {
		t.Fatalf("Parse returned a %T: %v", err, err)
	}
	return strings.Split(err.Error(), "\n")
}

func TestEveryMistakeIsReportedWithItsPlace(t *testing.T) {
	head, cases := readMistakes(t)
	out := head
	for _, m := range cases {
		var got []string
		t.Run(m.name, func(t *testing.T) {
			for _, line := range problems(t, m.plan(t)) {
				got = append(got, strings.TrimPrefix(line, "plan.yaml:"))
			}
			if len(got) == 0 {
				t.Error("the plan was accepted")
			}
			if *update {
				return
			}
			if diff := cmp.Diff(strings.Split(m.want, "\n"), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			for _, line := range got {
				if strings.Contains(line, "hunter2") {
					t.Errorf("a value is shown: %s", line)
				}
			}
		})
		out += "\n== " + m.name + "\n" + m.edits + "---\n" + strings.Join(got, "\n") + "\n"
	}
	if *update {
		if err := os.WriteFile("testdata/mistakes.txt", []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBasePlanOfTheMistakesIsGood(t *testing.T) {
	if got := problems(t, basePlan); got != nil {
		t.Errorf("problems: %q", got)
	}
}

func TestTenMistakesAreTenProblemsInOrder(t *testing.T) {
	_, cases := readMistakes(t)
	i := slices.IndexFunc(cases, func(m mistake) bool { return strings.HasPrefix(m.name, "ten mistakes") })
	_, err := scenarios.Parse("plan.yaml", []byte(cases[i].plan(t)), nil)
	var pe *scenarios.PlanError
	if !errors.As(err, &pe) {
		t.Fatalf("err = %v", err)
	}
	if len(pe.Problems) != 10 {
		t.Errorf("%d problems:\n%v", len(pe.Problems), err)
	}
	if !slices.IsSortedFunc(pe.Problems, func(a, b scenarios.Problem) int { return a.Line - b.Line }) {
		t.Errorf("not in the order of the file:\n%v", err)
	}
}
