package scenarios_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"arqload/scenarios"
)

const templatePlan = `
version: 1
name: t
system: {base_url: "http://h", username: u, password: p}
load: [{scenario: own, rate: 10/s}]
phases: [{name: steady, duration: 10s}]
scenarios:
  own:
    steps:
      - name: s
        request:
          method: POST
          path: "/a/{{ token }}/b?q={{token}}&r=1"
          headers: {X-T: "<{{token}}>"}
          json: {k: "<{{token}}>", n: [1.50, 1e3, true, null, "1"], "é": {}}
      - name: raw
        request: {method: POST, path: /, body: "<{{token}}>"}
`

func TestVariableIsEscapedForItsPlace(t *testing.T) {
	steps := parse(t, templatePlan, nil).Scenarios["own"].Steps
	expand := func(tpl *scenarios.Template, value string) string {
		return string(tpl.Append(nil, func(string) string { return value }))
	}
	for _, tt := range []struct {
		what string
		tpl  *scenarios.Template
		in   string
		want string
	}{
		{"path", steps[0].Path, "x/y z?&%", "/a/x%2Fy%20z%3F&%25/b?q=x%2Fy+z%3F%26%25&r=1"},
		{"header", steps[0].Headers[0].Value, "a\r\nX-Evil: 1\x00", "<aX-Evil: 1>"},
		{"json", steps[0].Body, "\"\\\n<é>", `{"k":"<\"\\\n<é>>","n":[1.50,1e3,true,null,"1"],"é":{}}`},
		{"raw body", steps[1].Body, "\"\r\n", "<\"\r\n>"},
	} {
		if got := expand(tt.tpl, tt.in); got != tt.want {
			t.Errorf("%s: got  %s\n\twant %s", tt.what, got, tt.want)
		}
	}
	if got, want := steps[0].Path.Source(), "/a/{{ token }}/b?q={{token}}&r=1"; got != want {
		t.Errorf("Source() = %q, want %q", got, want)
	}
	if _, literal := steps[0].Path.Literal(); literal {
		t.Error("a path with a variable is literal")
	}
}

func TestNoValueLeavesItsPlace(t *testing.T) {
	steps := parse(t, templatePlan, nil).Scenarios["own"].Steps
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "value")
		value := func(string) string { return v }

		var body struct{ K string }
		raw := steps[0].Body.Append(nil, value)
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatalf("the body is no JSON: %v\n%s", err, raw)
		}
		if want := "<" + strings.ToValidUTF8(v, "\ufffd") + ">"; body.K != want && strings.ToValidUTF8(v, "") == v {
			t.Fatalf("the body's value is %q, want %q", body.K, want)
		}
		u, err := url.ParseRequestURI(string(steps[0].Path.Append(nil, value)))
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Query().Get("q"); got != v || u.Path != "/a/"+v+"/b" || u.Query().Get("r") != "1" {
			t.Fatalf("path %q, q=%q, want %q in both", u.Path, got, v)
		}
		header := string(steps[0].Headers[0].Value.Append(nil, value))
		if strings.ContainsAny(header, "\r\n\x00") {
			t.Fatalf("header %q", header)
		}
	})
}

func TestAppendAppends(t *testing.T) {
	tpl := parse(t, templatePlan, nil).Scenarios["own"].Steps[1].Body
	if got := string(tpl.Append([]byte("before"), func(string) string { return "v" })); got != "before<v>" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkExpandBody(b *testing.B) {
	body := parse(b, templatePlan, nil).Scenarios["own"].Steps[0].Body
	buf := make([]byte, 0, 256)
	for b.Loop() {
		buf = body.Append(buf[:0], func(string) string { return "eyJhbGciOiJIUzI1NiJ9.payload.signature" })
	}
	b.ReportAllocs()
}
