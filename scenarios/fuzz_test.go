package scenarios_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"arqload/scenarios"
)

// FuzzParse: no input makes Parse panic; every error has a place; every plan can be saved
// and read back, and saying so twice says the same.
func FuzzParse(f *testing.F) {
	f.Add(basePlan)
	f.Add(string(scenarios.UAT()))
	f.Add(secretPlan)
	f.Add(templatePlan)
	f.Add(basePlan + "stop_when: [error_rate > 50% over 200 requests, p50>=5s over 20 requests]\n")
	f.Add(basePlan + `objectives: ['metric("up"){a="\"$${x}\\",b="é"} == 1', host.cpu_share < 70%]`)
	_, cases := readMistakes(f)
	for _, m := range cases {
		f.Add(m.plan(f))
	}
	for _, s := range []string{"", "a: *a", "? a", "{", "[[[[", "- - -", "a: |\n", "%YAML 1.2\n---\n", "a: \"\\", "\xff", "<<: {}", "!!", "a:\n\t- b", "---\n...\n---\n", "${A}: {{b}}"} {
		f.Add(s)
	}
	lookUp := func(name string) (string, bool) { return "http://" + name, !strings.HasPrefix(name, "UNSET") }
	f.Fuzz(func(t *testing.T, src string) {
		p, err := scenarios.Parse("plan.yaml", []byte(src), lookUp, scenarios.Files(noFiles))
		if err != nil {
			var pe *scenarios.PlanError
			if !errors.As(err, &pe) || len(pe.Problems) == 0 || p != nil {
				t.Fatalf("plan %v, error %T %v", p, err, err)
			}
			for _, problem := range pe.Problems {
				if problem.Line < 1 || problem.Column < 1 || problem.Message == "" {
					t.Fatalf("a problem without a place or a message: %+v", problem)
				}
			}
			return
		}
		for i := range p.Load {
			p.Schedule(i)
		}
		saved := p.YAML()
		q, err := scenarios.Parse("saved.yaml", saved, nil)
		if err != nil {
			t.Fatalf("the saved plan is not read:\n%v\n%s", err, saved)
		}
		if string(q.YAML()) != string(saved) {
			t.Fatalf("saved again it differs:\n%s\n%s", saved, q.YAML())
		}
	})
}

func TestHostileYAMLIsRefusedQuickly(t *testing.T) {
	const size = 32 << 10
	for name, src := range map[string]string{
		"open lists":    strings.Repeat("[", size),
		"open mappings": strings.Repeat("{a: ", size/4),
		"nested list":   strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"sequences":     strings.Repeat("- ", size/2),
		"hidden":        "a: [" + strings.Repeat("- ", size/2),
		"in a value":    "a: " + strings.Repeat("- ", size/2),
		"in quotes":     "a: ''" + strings.Repeat("- ", size/2),
		"after a key":   "[a]: " + strings.Repeat("? ", size/2),
		"questions":     "- " + strings.Repeat("? - ", size/4),
		"colons":        "a" + strings.Repeat(": ", size/2),
		"stars":         strings.Repeat("*", size),
		"anchors":       strings.Repeat("&a ", size/3),
		"tags":          strings.Repeat("!a ", size/3),
		"tags, nested":  strings.Repeat("!a - ", size/5),
		"one-line keys": strings.Repeat("a: ", size/3),
		"keys":          strings.Repeat("a: b\n", size/5),
		"quotes":        strings.Repeat(`"a" `, size/4),
		"commas":        "[" + strings.Repeat(",", size) + "]",
		"documents":     strings.Repeat("---\n", size/4),
		"indentation":   deepMapping(600),
		"aliases":       "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
		"too large":     basePlan + strings.Repeat("# x\n", 100<<10),
		"binary":        "version: 1\x00\n",
		"not UTF-8":     "version: 1 # \xff\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if got := problems(t, src); got == nil {
				t.Error("accepted")
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func deepMapping(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
