package scenarios_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

// env is an environment for Parse.
type env map[string]string

func (e env) lookUp(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

func parse(t testing.TB, src string, e env) *scenarios.Plan {
	t.Helper()
	p, err := scenarios.Parse("plan.yaml", []byte(src), e.lookUp, scenarios.Files(noFiles))
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return p
}

func TestOmittedKeysHaveTheirDefaults(t *testing.T) {
	p := parse(t, basePlan, nil)
	if p.Version != 1 || p.Name != "t" || p.Sessions != 200 {
		t.Errorf("version %d, name %q, sessions %d", p.Version, p.Name, p.Sessions)
	}
	if want := (scenarios.Arrivals{Process: scenarios.Constant}); p.Arrivals != want {
		t.Errorf("arrivals %+v, want %+v", p.Arrivals, want)
	}
	if want := (scenarios.Limits{InFlight: 1000, Timeout: 10 * time.Second, MaxLag: 10 * time.Second}); p.Limits != want {
		t.Errorf("limits %+v, want %+v", p.Limits, want)
	}
	if diff := cmp.Diff([]scenarios.LoadLine{{Scenario: "auth", Rate: 10, InFlight: 1000}}, p.Load); diff != "" {
		t.Errorf("load (-want +got):\n%s", diff)
	}
	want := scenarios.Phase{Name: "steady", Duration: 10 * time.Second, From: 1, To: 1, Judged: true}
	if diff := cmp.Diff([]scenarios.Phase{want}, p.Phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

func TestOmittedObjectivesAreThoseOfTheAcceptanceDocument(t *testing.T) {
	type brief struct {
		Text  string
		Limit float64
	}
	var got []brief
	for _, o := range parse(t, basePlan, nil).Objectives {
		if !o.Required || o.Scope != "" {
			t.Errorf("%+v is not required of all", o)
		}
		got = append(got, brief{o.Text, o.Limit})
	}
	want := []brief{ // section 3.5, in seconds, fractions and per second
		{"throughput >= 1000/s", 1000},
		{"p50 < 200ms", 0.2},
		{"p95 < 1s", 1},
		{"p99 < 2s", 2},
		{"error_rate < 0.05%", 0.0005},
		{"availability > 99.95%", 0.9995},
		{"cache_hit_ratio > 85%", 0.85},
		{"db_query_p99 < 500ms", 0.5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objectives (-want +got):\n%s", diff)
	}
}

func TestPhaseShapesBecomeTheSchedule(t *testing.T) {
	p := parse(t, `version: 1
name: shapes
system: {base_url: "http://h", username: u, password: p}
load:
  - {scenario: auth, rate: 60/m}
  - {scenario: conversation, rate: 7200/h, in_flight: 5}
phases:
  - {name: ramp, duration: 10s, from: 0%, to: 100%, judged: false}
  - {name: half, duration: 10s, at: 0.5}
  - {name: stairs, duration: 30s, steps: [25%, 50%, 100%]}
  - {name: all, duration: 1m30s}
limits: {in_flight: 7, timeout: 1.5s, max_lag: 2s}
`, nil)
	want := []scenarios.Phase{
		{Name: "ramp", Duration: 10 * time.Second, From: 0, To: 1},
		{Name: "half", Duration: 10 * time.Second, From: 0.5, To: 0.5, Judged: true},
		{Name: "stairs", Duration: 30 * time.Second, Steps: []float64{0.25, 0.5, 1}, Judged: true},
		{Name: "all", Duration: 90 * time.Second, From: 1, To: 1, Judged: true},
	}
	if diff := cmp.Diff(want, p.Phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]scenarios.LoadLine{{Scenario: "auth", Rate: 1, InFlight: 7}, {Scenario: "conversation", Rate: 2, InFlight: 5}}, p.Load); diff != "" {
		t.Errorf("load (-want +got):\n%s", diff)
	}
	if p.Duration() != 140*time.Second || p.Judged() != 130*time.Second {
		t.Errorf("duration %v, judged %v", p.Duration(), p.Judged())
	}
	// At 1/s: 10 x 1/2 = 5, 10 x 0.5 = 5, 10 x (0.25 + 0.5 + 1) = 17.5 and 90: 117.5, so 118
	// begun intervals. At 2/s, half an interval later: 235 whole ones.
	if a, c := p.Schedule(0).Len(), p.Schedule(1).Len(); a != 118 || c != 235 {
		t.Errorf("%d and %d arrivals, want 118 and 235", a, c)
	}
}

func TestPoissonPlanWithoutSeedHasOneThatIsRecorded(t *testing.T) {
	poisson := func(name, arrivals string) *scenarios.Plan {
		return parse(t, strings.Replace(basePlan, "name: t\n", "name: "+name+"\n", 1)+"arrivals: "+arrivals+"\n", nil)
	}
	a, b, other := poisson("a", "poisson"), poisson("a", "{process: poisson}"), poisson("b", "poisson")
	if a.Arrivals.Process != scenarios.Poisson || a.Arrivals.Seed == 0 {
		t.Fatalf("arrivals %+v", a.Arrivals)
	}
	if a.Arrivals != b.Arrivals {
		t.Errorf("the same plan got the seeds %d and %d", a.Arrivals.Seed, b.Arrivals.Seed)
	}
	if a.Arrivals == other.Arrivals {
		t.Error("another plan got the same seed")
	}
	if again := parse(t, string(a.YAML()), nil); again.Arrivals != a.Arrivals {
		t.Errorf("saved with seed %d, read back with %d", a.Arrivals.Seed, again.Arrivals.Seed)
	}
	if p := poisson("a", "{process: poisson, seed: 0}"); p.Arrivals.Seed != 0 {
		t.Errorf("seed: 0 became %d", p.Arrivals.Seed)
	}
}

func TestReferencesAreReplacedInEveryPosition(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from the file\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := env{"NAME": "n", "URL": "http://h:1/api/", "EMPTY": "", "RATE": "30/m", "N": "7", "OFF": "false", "BREAK": "x\nversion: 2 # ${NAME} {{token}}"}
	p, err := scenarios.Parse("plan.yaml", []byte(`
version: ${ONE:-1}
name: ${NAME}-${NAME}
system:
  base_url: ${URL}
  username: ${EMPTY:-someone}$${NAME} costs $5
  password: ${file:`+secret+`}
  postgres: ${EMPTY}
  http2: ${OFF}
load:
  - {scenario: own, rate: "${RATE}", in_flight: "${N}"}
phases: [{name: steady, duration: 10s, judged: "${TRUE:-true}"}]
scenarios:
  own:
    steps:
      - name: s
        request: {method: POST, path: /, body: "${BREAK}"}
`), e.lookUp)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "n-n" || p.System.BaseURL != "http://h:1/api" || p.System.Username != "someone${NAME} costs $5" {
		t.Errorf("name %q, base URL %q, username %q", p.Name, p.System.BaseURL, p.System.Username)
	}
	if got := p.System.Password.Reveal(); got != "from the file" {
		t.Errorf("password %q", got)
	}
	if !p.System.Postgres.IsZero() || p.System.HTTP2 {
		t.Errorf("postgres %v, http2 %v", p.System.Postgres, p.System.HTTP2)
	}
	if l := p.Load[0]; l.Rate != 0.5 || l.InFlight != 7 {
		t.Errorf("load %+v", l)
	}
	// A value adds neither keys nor references nor variables.
	if body, literal := p.Scenarios["own"].Steps[0].Body.Literal(); body != e["BREAK"] || !literal {
		t.Errorf("body %q, literal %v", body, literal)
	}
}

func TestLoadReadsAFileAndNamesIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plan.yaml")
	if _, err := scenarios.Load(path); !os.IsNotExist(unwrap(err)) {
		t.Errorf("Load of a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(basePlan), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := scenarios.Load(path); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(basePlan, "10/s", "10", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := scenarios.Load(path)
	if want := path + `:4:31: load[0].rate: "10" is a bare number: write 10/s, 10/m or 10/h`; err == nil || err.Error() != want {
		t.Errorf("err = %v\nwant  %s", err, want)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestEndlessSecretFileIsRefused(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("no /dev/zero here")
	}
	_, err := scenarios.Parse("plan.yaml", []byte(strings.Replace(basePlan, "password: p", `password: "${file:/dev/zero}"`, 1)), nil)
	if err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("err = %v", err)
	}
}

func TestLoopbackIsOnlyThisMachine(t *testing.T) {
	for url, want := range map[string]bool{
		"http://localhost": true, "http://LOCALHOST:8080/x": true, "http://a.localhost:1": true,
		"http://127.0.0.1": true, "https://127.9.9.9:443": true, "http://[::1]:80": true,
		"http://0.0.0.0": false, "http://10.0.0.1": false, "http://[::2]": false, "http://localhost.example.com": false,
		"http://notlocalhost": false, "http://127.0.0.1.example.com": false, "https://arq.example.com": false,
	} {
		p := parse(t, strings.Replace(basePlan, "http://h", url, 1), nil)
		if got := p.IsLoopback(); got != want {
			t.Errorf("IsLoopback of %s = %v", url, got)
		}
	}
	if got := parse(t, strings.Replace(basePlan, "http://h", "https://arq.example.com:8443/v1/", 1), nil).Host(); got != "arq.example.com:8443" {
		t.Errorf("Host() = %q", got)
	}
}
