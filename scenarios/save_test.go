package scenarios_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"arqload/scenarios"
)

// everything compares unexported fields too, except how a template was spelled
// ({{ x }} is saved as {{x}}) and the list of secrets.
var everything = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && (f.Name() == "source" || f.Name() == "secrets")
	}, cmp.Ignore()),
}

// words are what breaks quoting, interpolation or templates.
var words = []string{
	"a", "Zürich", "😀", `"`, `\`, "'", "#", " # ", ": ", "- ", "*x", "&x", "!x", "%41", "true", "null", "1e3", "~", "$", "$$", "$${", "{", "}", "}}", "[", "]", ",",
	"{{token}}", "{{ username }}", "$${{seq}}", "\u00a0", "\u2028", "\ufeff", "\u0085", "\t", " ",
}

func text(extra ...string) *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(append(extra, words...)), 0, 5), func(w []string) string { return strings.Join(w, ".") })
}

// literal is text without variables.
func literal() *rapid.Generator[string] {
	return rapid.Map(text("\n", "\r\n", "\x01"), func(s string) string { return strings.NewReplacer("{{", "", "$${", "").Replace(s) })
}

func jsonValue(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), text("\n", "\x01").AsAny(),
	}
	if depth > 0 {
		leaves = append(leaves,
			rapid.SliceOfN(jsonValue(depth-1), 0, 3).AsAny(),
			rapid.MapOfN(literal(), jsonValue(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(leaves...)
}

type object = map[string]any

// plans draws a plan as JSON, which is YAML.
func plans(t *rapid.T) string {
	name := rapid.OneOf(rapid.SampledFrom([]string{"true", "null", "1", "08", "-", "--", "_", "1e3", "y"}), rapid.StringMatching(`[A-Za-z0-9_-]{1,8}`))
	share := rapid.Map(rapid.IntRange(0, 200), func(i int) string { return fmt.Sprintf("%d.%d%%", i, i%7) })
	phase := rapid.Custom(func(t *rapid.T) object {
		ph := object{"duration": fmt.Sprintf("%dms", rapid.IntRange(1000, 100_000).Draw(t, "ms")), "judged": rapid.Bool().Draw(t, "judged")}
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 1:
			ph["at"] = share.Draw(t, "at")
		case 2:
			ph["from"], ph["to"] = share.Draw(t, "from"), share.Draw(t, "to")
		case 3:
			ph["steps"] = rapid.SliceOfN(share, 1, 4).Draw(t, "steps")
		}
		return ph
	})
	phases := rapid.SliceOfN(phase, 0, 3).Draw(t, "phases")
	phases = append(phases, object{"duration": "1m"})
	for i, ph := range phases {
		ph["name"] = fmt.Sprintf("p%d", i)
	}
	request := object{"method": "POST", "path": "/" + rapid.SampledFrom([]string{"", "a/{{token}}?x={{dialogue_id}}", "%41/$${x}", "{{seq}}"}).Draw(t, "path")}
	if rapid.Bool().Draw(t, "headers") {
		request["headers"] = object{"x-a": text().Draw(t, "x-a"), "Authorization": rapid.SampledFrom([]string{"Bearer {{token}}", "{{token}}", "Basic  {{token}}"}).Draw(t, "auth")}
	}
	switch rapid.IntRange(0, 2).Draw(t, "body") {
	case 1:
		request["body"] = text("\n", "\r\n", "\x01").Draw(t, "body text")
	case 2:
		request["json"] = jsonValue(3).Draw(t, "json")
	}
	step := object{"name": name.Filter(func(s string) bool { return s != "all" }).Draw(t, "step"), "request": request}
	if rapid.Bool().Draw(t, "expect") {
		values := object{}
		for _, path := range rapid.SliceOfN(literal().Filter(func(s string) bool { return strings.TrimSpace(s) != "" }), 1, 3).Draw(t, "paths") {
			values[path] = rapid.OneOf(literal().AsAny(), rapid.Bool().AsAny(), rapid.Int().AsAny()).Draw(t, "want")
		}
		step["expect"] = object{"status": []int{200, rapid.IntRange(201, 599).Draw(t, "status")}, "json": values}
	}
	if rapid.Bool().Draw(t, "capture") {
		step["capture"] = object{"x": rapid.SampledFrom([]string{"a", "a.b|c", "#(x==\"$${\").y"}).Draw(t, "capture path")}
		step["creates"] = object{"true": 1, "a.b": rapid.IntRange(0, 9).Draw(t, "rows")}
	}
	own := name.Filter(func(s string) bool { return s != "auth" && s != "dialogue" }).Draw(t, "scenario")
	plan := object{
		"version": 1, "name": name.Draw(t, "name"),
		"system": object{"base_url": "http://h/$${x}", "username": "u" + literal().Draw(t, "username"), "password": "[redacted]", "http2": rapid.Bool().Draw(t, "http2"), "ca_file": literal().Draw(t, "ca_file")},
		"load": []object{
			{"scenario": own, "rate": fmt.Sprintf("%d/%s", rapid.IntRange(60, 9999).Draw(t, "rate"), rapid.SampledFrom([]string{"s", "m"}).Draw(t, "unit")), "in_flight": rapid.IntRange(1, 9).Draw(t, "in_flight")},
			{"scenario": "conversation", "rate": "7.5/s"},
		},
		"phases": phases,
		"stop_when": rapid.SampledFrom([][]string{
			{"error_rate > 50% over 200 requests"}, {"p50 >= 1.5s over 20 requests", "error_rate  >=  0.1%  over  100000 requests", "p99.9>5m over 77 requests"},
		}).Draw(t, "stop_when"),
		"arrivals":   rapid.SampledFrom([]string{"constant", "poisson"}).Draw(t, "arrivals"),
		"scenarios":  object{own: object{"steps": []object{step}}},
		"objectives": []any{"p99.9 < 1.5s", object{"objective": own + "/" + step["name"].(string) + ".p50 <= 20µs", "required": rapid.Bool().Draw(t, "required")}, own + ".error_rate < 0.1%"},
	}
	src, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func TestSavedPlanReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := plans(t)
		p, err := scenarios.Parse("plan.json", []byte(src), nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		saved := p.YAML()
		q, err := scenarios.Parse("saved.yaml", saved, nil)
		if err != nil {
			t.Fatalf("the saved plan is not read:\n%v\n%s", err, saved)
		}
		if diff := cmp.Diff(p, q, everything); diff != "" {
			t.Fatalf("read back (-before +after):\n%s\n%s", diff, saved)
		}
		if again := q.YAML(); string(again) != string(saved) || p.Hash() != q.Hash() {
			t.Fatalf("saved again it differs:\n%s", cmp.Diff(string(saved), string(again)))
		}
	})
}

const secretPlan = `
version: 1
name: secrets
system:
  base_url: http://h
  username: ${USER_NAME}
  password: ${SECRET_1}
  postgres: postgres://arq:pg%2Dsecret@db/arq
  redis: rediss://:redis-secret@cache:6379,rediss://cache2
load: [{scenario: own, rate: 10/s}, {scenario: message, rate: 10/s}]
phases: [{name: steady, duration: 10s}]
scenarios:
  own:
    steps:
      - name: s
        request:
          method: POST
          path: /x/${SECRET_2}/{{token}}
          headers:
            X-Tenant: a ${SECRET_3} b {{token}}
            Authorization: Bearer planted-literal-1
            cookie: sid=planted-literal-2; t={{token}}
            X-Api-Key: planted-literal-3
            X-Repeat: the password is env-secret-1, really
          json: {a: "${SECRET_4} and {{token}}", password: planted-literal-4, n: ["${SECRET_5}"], pg: pg%2Dsecret}
        expect: {json: {status: "${SECRET_6}"}}
      - name: raw
        request: {method: POST, path: "/?k=${file:/secret}", body: "x=${SECRET_7}&u={{username}}"}
`

func secretEnv(name string) (string, bool) {
	if name == "USER_NAME" {
		return "prod-test", true
	}
	n, ok := strings.CutPrefix(name, "SECRET_")
	return "env-secret-" + n, ok
}

func parseSecretPlan(t *testing.T) *scenarios.Plan {
	t.Helper()
	p, err := scenarios.Parse("plan.yaml", []byte(secretPlan), secretEnv, scenarios.Files(func(string) ([]byte, error) { return []byte("file-secret\n"), nil }))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func planted() []string {
	list := []string{"file-secret", "pg%2Dsecret", "pg-secret", "redis-secret"}
	for i := 1; i <= 7; i++ {
		list = append(list, fmt.Sprintf("env-secret-%d", i))
	}
	for i := 1; i <= 4; i++ {
		list = append(list, fmt.Sprintf("planted-literal-%d", i))
	}
	return list
}

func TestNoSecretIsSavedOrPrinted(t *testing.T) {
	p := parseSecretPlan(t)
	saved := string(p.YAML())
	encoded, err := json.Marshal(p.System)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{
		"YAML": saved, "JSON of the system": string(encoded),
		"%v": fmt.Sprintf("%v", p), "%+v": fmt.Sprintf("%+v", p), "%#v": fmt.Sprintf("%#v", p),
	}
	for _, s := range p.Scenarios {
		for _, st := range s.Steps {
			outputs[s.Name+" step %+v"] += fmt.Sprintf("%+v %#v", st, st)
			templates := []*scenarios.Template{st.Path, st.Body}
			for _, h := range st.Headers {
				templates = append(templates, h.Value)
			}
			for _, tpl := range templates {
				if tpl != nil {
					outputs[s.Name+" template"] += tpl.Source() + fmt.Sprintf(" %v %+v %#v %s", tpl, tpl, tpl, tpl)
				}
			}
		}
	}
	for where, out := range outputs {
		for _, secret := range planted() {
			if strings.Contains(out, secret) {
				t.Errorf("%s shows %s:\n%s", where, secret, out)
			}
		}
	}
	for _, keep := range []string{`"Bearer [redacted]"`, `"a [redacted] b {{token}}"`, `"/x/[redacted]/{{token}}"`, `"x=[redacted]&u={{username}}"`, `"prod-test"`, `"Bearer {{token}}"`} {
		if !strings.Contains(saved, keep) {
			t.Errorf("the saved plan lacks %s:\n%s", keep, saved)
		}
	}
}

func TestSavedPlanWithSecretsIsReadWithoutThem(t *testing.T) {
	p := parseSecretPlan(t)
	q := parse(t, string(p.YAML()), nil)
	if diff := cmp.Diff(string(p.YAML()), string(q.YAML())); diff != "" {
		t.Errorf("saved twice (-first +second):\n%s", diff)
	}
	if p.IsRedacted() || !q.IsRedacted() {
		t.Errorf("IsRedacted: the plan %v, the saved plan %v", p.IsRedacted(), q.IsRedacted())
	}
	if got := q.Secrets(); len(got) != 0 {
		t.Errorf("secrets of the saved plan: %q", got)
	}
}

func TestRequestsHoldTheSecrets(t *testing.T) {
	steps := parseSecretPlan(t).Scenarios["own"].Steps
	value := func(name string) string { return "<" + name + ">" }
	got := []string{string(steps[0].Path.Append(nil, value)), string(steps[0].Body.Append(nil, value)), string(steps[1].Path.Append(nil, value)), string(steps[1].Body.Append(nil, value))}
	for _, h := range steps[0].Headers {
		got = append(got, h.Name+": "+string(h.Value.Append(nil, value)))
	}
	want := []string{
		"/x/env-secret-2/%3Ctoken%3E",
		`{"a":"env-secret-4 and <token>","password":"planted-literal-4","n":["env-secret-5"],"pg":"pg%2Dsecret"}`,
		"/?k=file-secret",
		"x=env-secret-7&u=<username>",
		"Authorization: Bearer planted-literal-1",
		"Cookie: sid=planted-literal-2; t=<token>",
		"X-Api-Key: planted-literal-3",
		"X-Repeat: the password is env-secret-1, really",
		"X-Tenant: a env-secret-3 b <token>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if check := steps[0].Expect[0]; check.Want != `"env-secret-6"` {
		t.Errorf("expected value %q", check.Want)
	}
}

func TestSecretsFindsThemAllLongestFirst(t *testing.T) {
	p := parseSecretPlan(t)
	got := p.Secrets()
	all := strings.Join(got, "\n")
	for _, s := range planted() {
		if !strings.Contains(all, s) {
			t.Errorf("%s is missing", s)
		}
	}
	for i := 1; i < len(got); i++ {
		if len(got[i]) > len(got[i-1]) {
			t.Errorf("%q after the shorter %q", got[i], got[i-1])
		}
	}
	// A scrubber that replaces them in this order leaves nothing.
	text := strings.Join(planted(), " ") + ` {"p":"a\"b"}`
	quoted := parse(t, strings.Replace(basePlan, "password: p", `password: 'a"b'`, 1), nil)
	for _, s := range append(got, quoted.Secrets()...) {
		text = strings.ReplaceAll(text, s, "-")
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "planted") || strings.Contains(text, "a\\") {
		t.Errorf("left: %s", text)
	}
}

func TestPasswordsOfConnectionStringsAreSecrets(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:p%40ss-word@h/db":              "p@ss-word",
		"postgresql://u@h/db?password=in-query":      "in-query",
		"host=h user=u password=keyword dbname=d":    "keyword",
		`host=h password = 'it\'s quoted' user=u`:    "it's quoted",
		"host=h sslpassword=key-pass password=other": "key-pass",
	} {
		p := parse(t, strings.Replace(basePlan, "password: p", "password: p, postgres: "+string(must(json.Marshal(dsn))), 1), nil)
		all := p.Secrets()
		found := false
		for _, s := range all {
			found = found || s == want
		}
		if !found {
			t.Errorf("%s: %q is not among %q", dsn, want, all)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestHashIgnoresSecretsAndNothingElse(t *testing.T) {
	a := parse(t, basePlan, nil)
	if b := parse(t, strings.Replace(basePlan, "password: p", "password: other", 1), nil); a.Hash() != b.Hash() {
		t.Error("the hash changed with the password")
	}
	for _, change := range []string{"name: t2", "name: t\nsessions: 3", "name: t\nlimits: {timeout: 9s}", "name: t\nobjectives: [p99 < 1s]"} {
		if b := parse(t, strings.Replace(basePlan, "name: t", change, 1), nil); a.Hash() == b.Hash() {
			t.Errorf("the hash is the same with %q", change)
		}
	}
	if len(a.Hash()) != 64 {
		t.Errorf("hash %q", a.Hash())
	}
}
