package scenarios_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

func TestApplicationObjectiveMeansWhatItSays(t *testing.T) {
	for text, want := range map[string]struct {
		text  string
		op    scenarios.Op
		limit float64
		unit  scenarios.Unit
	}{
		`metric("process_resident_memory_bytes") < 512MiB`:  {`metric("process_resident_memory_bytes") < 512MiB`, "<", 512 << 20, scenarios.UnitBytes},
		`metric( "up" ) { } == 1`:                           {`metric("up") == 1`, "==", 1, scenarios.UnitNumber},
		`metric("up"){job="a=b"}!=0`:                        {`metric("up"){job="a=b"} != 0`, "!=", 0, scenarios.UnitNumber},
		`metric("pool"){z="1", a="x < 2",} <= 80 %`:         {`metric("pool"){a="x < 2",z="1"} <= 80%`, "<=", 0.8, scenarios.UnitShare},
		`metric("wait_seconds"){q="say \"hi\"\n\\"} >250ms`: {`metric("wait_seconds"){q="say \"hi\"\n\\"} > 250ms`, ">", 0.25, scenarios.UnitSeconds},
		`metric("temperature") >= -1.5e1`:                   {`metric("temperature") >= -1.5e1`, ">=", -15, scenarios.UnitNumber},
		`metric("a:b_total"){path="/x}{,"} < 2GB`:           {`metric("a:b_total"){path="/x}{,"} < 2GB`, "<", 2e9, scenarios.UnitBytes},
		`metric("x") == 100%`:                               {`metric("x") == 100%`, "==", 1, scenarios.UnitShare},
	} {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		name := want.text[:strings.LastIndex(want.text[:strings.LastIndex(want.text, " ")], " ")]
		if o.Text != want.text || o.Name != name || o.Metric != scenarios.MetricApplication || o.Op != want.op || o.Limit != want.limit || o.Unit() != want.unit || o.Scope != "" || !o.Required {
			t.Errorf("%s: got %+v in %s, want %+v with the name %s", text, o, o.Unit(), want, name)
		}
	}
}

func TestSelectorSelectsByEveryLabelItNames(t *testing.T) {
	s, err := scenarios.ParseSelector(`metric("http"){code="500",le="1"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		labels map[string]string
		want   bool
	}{
		{map[string]string{"code": "500", "le": "1", "path": "/"}, true},
		{map[string]string{"code": "500", "le": "1.0"}, true}, // Python's client writes 1.0
		{map[string]string{"code": "500", "le": "+Inf"}, false},
		{map[string]string{"code": "500.0", "le": "1"}, false},
		{map[string]string{"le": "1"}, false},
		{nil, false},
	} {
		if got := s.Matches(c.labels); got != c.want {
			t.Errorf("%v: %v, want %v", c.labels, got, c.want)
		}
	}
	if all := (scenarios.Selector{Name: "http"}); !all.Matches(nil) || !all.Matches(map[string]string{"a": "b"}) {
		t.Error("a selector without labels leaves series out")
	}
}

func TestSavedPlanKeepsApplicationObjectives(t *testing.T) {
	p := parse(t, basePlan+`objectives:
  - metric("plain") < 512MiB
  - 'metric("pool"){name="it''s \"main\"",of="$${HOME} \\ {{x}} #: x"} <= 80%'
  - {objective: "metric(\"up\"){job=\"x\"} == 1", required: false}
`, nil)
	q := parse(t, string(p.YAML()), nil)
	if diff := cmp.Diff(p.Objectives, q.Objectives); diff != "" {
		t.Errorf("read back (-was +is):\n%s\n%s", diff, p.YAML())
	}
	if want := `metric("pool"){name="it's \"main\"",of="${HOME} \\ {{x}} #: x"}`; p.Objectives[1].Name != want {
		t.Errorf("name %s, want %s", p.Objectives[1].Name, want)
	}
}

func TestCatalogueExamplesAreObjectives(t *testing.T) {
	all := scenarios.Catalogue()
	if n := len(scenarios.Definitions()); len(all) != n+7 {
		t.Errorf("%d metrics, want the %d of the collectors and 7 more", len(all), n)
	}
	for _, d := range all {
		text := d.Name + " " + string(d.Comparison()) + " " + d.Example
		o, err := scenarios.ParseObjective(text)
		if err != nil || o.Unit() != d.Unit {
			t.Errorf("%s: in %s, %v; want %s", text, o.Unit(), err, d.Unit)
		}
		if d.Source == "" || d.Meaning == "" || d.Rule == "" {
			t.Errorf("%s: source, meaning or rule is missing", d.Name)
		}
	}
}

// FuzzParseSelector: no text makes the parser panic; what it accepts is read back from its
// normalised form, as a selector and as an objective.
func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{`metric("up")`, `metric("up"){}`, `metric("up"){a="b",}`, `metric("up"){a="\"\\\n"}`, `metric("up"){a=~"b"}`, `metric(up)`, `metric("up"`, `metric("up"){a="b"`, `metric("up"){a="b" c="d"}`, `metric("up"){"a"="b"}`, `metric("up") x`, "metric(\"up\"){a=\"\xff\"}", `metric{`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scenarios.ParseSelector(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a message")
			}
			return
		}
		if again, err := scenarios.ParseSelector(s.String()); err != nil || !cmp.Equal(again, s) {
			t.Fatalf("%q is read back from %q as %+v, %v", text, s, again, err)
		}
		if !s.Matches(s.Labels) {
			t.Fatalf("%s does not match its own labels", s)
		}
		o, err := scenarios.ParseObjective(s.String() + " <= -1")
		if err != nil || o.Name != s.String() || o.Limit != -1 || math.IsNaN(o.Limit) {
			t.Fatalf("%s as an objective: %+v, %v", s, o, err)
		}
	})
}
