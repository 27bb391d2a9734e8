package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list` says of a package. Imports are its own, test files left out.
type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "arqload/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 15 {
		t.Fatalf("go list found only %d packages", len(list))
	}
	return list
}

// within reports whether an import path is a package or lies below it.
func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

func anyWithin(p string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(x string) bool { return within(p, x) })
}

// network is what a pure package may not touch. net/url and net/netip only parse text.
var network = []string{"net", "net/http", "crypto/tls", "os/exec", "os/signal"}

var drivers = []string{"github.com/jackc/pgx", "github.com/redis/go-redis", "github.com/tsenart/vegeta", "database/sql",
	"github.com/prometheus/common", "github.com/prometheus/client_model", "github.com/prometheus/procfs"}

// rules say who may not import whom, and why.
var rules = []struct {
	who  []string
	not  []string
	why  string
	also func(who, imp string) bool // exceptions
}{
	{
		who: []string{"arqload/scenarios", "arqload/analysis"}, not: slices.Concat(network, drivers),
		why:  "what is declared and what is judged must not depend on a live system: a run of last week is judged again offline",
		also: func(_, imp string) bool { return imp == "net/url" || imp == "net/netip" },
	},
	{
		who: []string{"arqload/scenarios", "arqload/analysis"}, not: []string{"arqload/attack", "arqload/reports", "arqload/cmd"},
		why: "data flows one way: scenarios, attack, analysis, reports",
	},
	{
		who: []string{"arqload/scenarios"}, not: []string{"arqload/analysis"},
		why: "a plan is what is demanded; it knows nothing of what came out",
	},
	{
		who: []string{"arqload/attack"}, not: []string{"arqload/reports", "arqload/cmd"},
		why: "the drive hands its record to whoever keeps it; it does not know files or reports",
	},
	{
		who: []string{"arqload/reports"}, not: []string{"arqload/attack", "arqload/cmd"},
		why: "a report is written from a finished judgement, of whatever run",
	},
	{
		who: []string{"arqload/attack/collectors"}, not: []string{"arqload/scenarios"},
		why: "a collector reads its system and knows nothing of the load",
	},
	{
		who: []string{"arqload/analysis/hist"}, not: []string{"arqload/analysis/observation", "arqload/scenarios"},
		why: "counting durations needs nothing else",
	},
	{
		who: []string{"arqload/scenarios/schedule"}, not: []string{"arqload/scenarios/", "github.com"},
		why: "the schedule is arithmetic: it fits vegeta.Pacer without importing it",
	},
}

func TestPackagesKeepToTheirSideOfTheFlow(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range rules {
			if !anyWithin(p.ImportPath, rule.who) {
				continue
			}
			for _, imp := range p.Imports {
				if anyWithin(imp, rule.not) && !(rule.also != nil && rule.also(p.ImportPath, imp)) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, rule.why)
				}
			}
		}
	}
}

func TestACollectorDoesNotImportTheDrive(t *testing.T) {
	for _, p := range packages(t) {
		if within(p.ImportPath, "arqload/attack/collectors") && slices.Contains(p.Imports, "arqload/attack") {
			t.Errorf("%s imports arqload/attack: the drive runs collectors, not the other way round", p.ImportPath)
		}
	}
}

// owners name the one collector that speaks each backend, beside the reference system,
// which is not part of the tool's measuring.
var owners = map[string][]string{
	"github.com/jackc/pgx":               {"arqload/attack/collectors/pgstat", "arqload/cmd/internal/reference"},
	"github.com/redis/go-redis":          {"arqload/attack/collectors/redisinfo", "arqload/cmd/internal/reference"},
	"github.com/tsenart/vegeta":          {"arqload/attack"},
	"github.com/HdrHistogram":            {"arqload/analysis/hist"},
	"github.com/olekukonko":              {"arqload/reports"},
	"github.com/goccy/go-yaml":           {"arqload/scenarios"},
	"github.com/spf13/cobra":             {"arqload/cmd/arqload"},
	"gonum.org/v1/gonum":                 {"arqload/analysis", "arqload/analysis/compare"},
	"github.com/prometheus/common":       {"arqload/attack/collectors/promtext"},
	"github.com/prometheus/client_model": {"arqload/attack/collectors/promtext"},
	"github.com/prometheus/procfs":       {"arqload/attack/collectors/hosts"},
	"github.com/tidwall/gjson":           {"arqload/attack", "arqload/scenarios"},
}

func TestALibraryHasOneOwner(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			for lib, who := range owners {
				if within(imp, lib) && !slices.Contains(who, p.ImportPath) {
					t.Errorf("%s imports %s, which belongs to %v: what a library cannot do right is mended in one place", p.ImportPath, imp, who)
				}
			}
		}
	}
}

func TestNothingImportsTheCommand(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if within(imp, "arqload/cmd") && !within(p.ImportPath, "arqload/cmd") {
				t.Errorf("%s imports %s: the command wires the packages, none of them needs it", p.ImportPath, imp)
			}
		}
	}
}

func TestNoPackageIsADrawerForEverything(t *testing.T) {
	for _, p := range packages(t) {
		switch path.Base(p.ImportPath) {
		case "util", "utils", "common", "helpers", "helper", "types", "misc", "shared", "lib":
			t.Errorf("%s: a package is named after the one promise it keeps", p.ImportPath)
		}
	}
}

func TestTheTopLevelIsTheOwners(t *testing.T) {
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		switch e.Name() {
		case "cmd", "attack", "analysis", "scenarios", "reports", "docs", "deploy", "bin", "runs":
		default:
			t.Errorf("top-level folder %s: the top level is cmd, attack, analysis, scenarios, reports, docs and deploy", e.Name())
		}
	}
}
