package scenarios_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

// loading returns the base plan with another load and with what follows it.
func loading(load, more string) string {
	return strings.Replace(basePlan, "[{scenario: auth, rate: 10/s}]", load, 1) + more
}

func TestBuiltinScenariosNeedTheSessionsTheyShould(t *testing.T) {
	tests := map[string]struct{ needs, preparation []string }{
		"auth":         {nil, nil},
		"conversation": {nil, nil},
		"dialogue":     {[]string{"token"}, []string{"auth"}},
		"message":      {[]string{"dialogue_id", "token"}, []string{"auth", "dialogue"}},
	}
	if len(tests) != len(scenarios.Builtin()) {
		t.Errorf("%d tests for the scenarios %v", len(tests), scenarios.Builtin())
	}
	for name, tt := range tests {
		p := parse(t, loading("[{scenario: "+name+", rate: 10/s}]", ""), nil)
		if diff := cmp.Diff(tt.needs, p.Scenarios[name].Needs()); diff != "" {
			t.Errorf("%s.Needs() (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.needs, p.SessionNeeds()); diff != "" {
			t.Errorf("SessionNeeds() with %s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.preparation, p.Preparation()); diff != "" {
			t.Errorf("Preparation() with %s (-want +got):\n%s", name, diff)
		}
		for _, prep := range append(tt.preparation, name) {
			if p.Scenarios[prep] == nil {
				t.Errorf("with %s the plan does not hold scenario %s", name, prep)
			}
		}
		if len(p.Scenarios) > len(tt.preparation)+1 {
			t.Errorf("with %s the plan holds %d scenarios", name, len(p.Scenarios))
		}
	}
}

func TestBuiltinStepsCaptureSomething(t *testing.T) {
	p := parse(t, loading("[{scenario: conversation, rate: 1/s}, {scenario: message, rate: 1/s}]", ""), nil)
	for _, s := range p.Scenarios {
		for _, st := range s.Steps {
			if len(st.Capture) == 0 {
				t.Errorf("%s/%s captures nothing: an error in the body of a 200 would be a success", s.Name, st.Name)
			}
		}
	}
}

// The requests of ARQ production UAT 3.2.
func TestConversationSendsTheRequestsOfTheAcceptanceDocument(t *testing.T) {
	p := parse(t, loading("[{scenario: conversation, rate: 1/s}]", ""), nil)
	vars := map[string]string{"username": "prod-test", "password": `a"b\c`, "token": "T", "dialogue_id": "d/1"}
	value := func(name string) string { return vars[name] }
	var got []string
	for _, st := range p.Scenarios["conversation"].Steps {
		text := st.Name + ": " + st.Method + " " + string(st.Path.Append(nil, value))
		for _, h := range st.Headers {
			text += " " + h.Name + "=" + string(h.Value.Append(nil, value))
		}
		got = append(got, text+" "+string(st.Body.Append(nil, value)))
		if !st.JSON {
			t.Errorf("%s does not send JSON", st.Name)
		}
	}
	want := []string{
		`auth: POST /api/auth/token {"username":"prod-test","password":"a\"b\\c"}`,
		`dialogue: POST /api/dialogues Authorization=Bearer T {"initial_message":"Production UAT test"}`,
		`message: POST /api/dialogues/d%2F1/messages Authorization=Bearer T {"message":"Test message"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	dialogue := p.Scenarios["conversation"].Steps[1]
	if diff := cmp.Diff(map[string]int{"dialogues": 1, "messages": 1}, dialogue.Creates); diff != "" {
		t.Errorf("creates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]scenarios.Capture{{Name: "dialogue_id", Paths: []string{"id", "dialogue_id"}}}, dialogue.Capture); diff != "" {
		t.Errorf("capture (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{200, 201}, dialogue.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestOwnScenarioReplacesTheBuiltinOne(t *testing.T) {
	p := parse(t, loading("[{scenario: message, rate: 10/s}]", `
scenarios:
  auth:
    steps:
      - name: login
        request: {method: GET, path: "/login?user={{username}}"}
        capture: {token: jwt, tenant: tenant}
  message:
    steps:
      - name: send
        request: {method: PUT, path: "/t/{{tenant}}/{{seq}}"}
`), nil)
	if diff := cmp.Diff([]string{"tenant"}, p.SessionNeeds()); diff != "" {
		t.Errorf("SessionNeeds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"auth"}, p.Preparation()); diff != "" {
		t.Errorf("Preparation (-want +got):\n%s", diff)
	}
	if got := p.Scenarios["auth"].Steps[0].Name; got != "login" {
		t.Errorf("auth's first step is %q: the built-in one was kept", got)
	}
	if diff := cmp.Diff([]int{200, 201, 202, 203, 204, 206}, p.Scenarios["message"].Steps[0].Status); diff != "" {
		t.Errorf("default status (-want +got):\n%s", diff)
	}
}

func TestUATIsTheAcceptancePlan(t *testing.T) {
	p := parse(t, string(scenarios.UAT()), env{"ARQ_BASE_URL": "http://127.0.0.1:8080", "ARQ_USERNAME": "u", "ARQ_PASSWORD": "p"})
	want := []scenarios.LoadLine{{"auth", 100, 1000}, {"dialogue", 300, 1000}, {"message", 700, 1000}}
	if diff := cmp.Diff(want, p.Load); diff != "" {
		t.Errorf("load (-want +got):\n%s", diff)
	}
	if p.Duration() != 70*time.Second || p.Judged() != time.Minute {
		t.Errorf("duration %v, judged %v", p.Duration(), p.Judged())
	}
	// 1100/s for 60 s, after 10 s at (10% + 100%)/2.
	var judged, all uint64
	for i := range p.Load {
		judged += p.Schedule(i).Between(10*time.Second, 70*time.Second)
		all += p.Schedule(i).Len()
	}
	if judged != 66000 || all != 66000+6050 {
		t.Errorf("%d arrivals, %d judged, want 72050 and 66000", all, judged)
	}
	defaults := parse(t, basePlan, nil).Objectives
	if diff := cmp.Diff(defaults, p.Objectives[:len(defaults)]); diff != "" {
		t.Errorf("the objectives differ from the default ones (-default +uat):\n%s", diff)
	}
	// Whoever changes the slice must not change the next caller's plan.
	scenarios.UAT()[0] = 'X'
	if scenarios.UAT()[0] == 'X' {
		t.Error("UAT returns the embedded bytes themselves")
	}
}
