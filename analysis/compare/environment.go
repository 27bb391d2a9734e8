package compare

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"arqload/analysis"
)

// The keys of an environment that count rows and keys; the others are texts.
const (
	rowsPrefix = "rows."
	redisKeys  = "redis_keys"
)

// environment is what may explain a difference between runs.
func environment(s *analysis.Summary) map[string]string {
	e := map[string]string{}
	for _, k := range []string{"host", "os", "arch", "cpus", "gomaxprocs"} {
		if v := s.Header.Environment[k]; v != "" {
			e[k] = v
		}
	}
	if at := target(s.Header.Environment["base_url"]); at != "" {
		e["target"] = at
	}
	if s.Database.Version != "" {
		e["postgres"] = s.Database.Version
	}
	if s.Cache.Version != "" {
		e["redis"] = s.Cache.Version
	}
	for _, t := range s.Database.Tables {
		if t.Known {
			e[rowsPrefix+t.Name] = strconv.FormatInt(max(0, t.LiveRows-t.Inserted+t.Deleted), 10)
		}
	}
	if s.Cache.Available {
		var keys int64
		for _, n := range s.Cache.Nodes {
			if n.Role != "slave" {
				keys += n.KeysBefore
			}
		}
		e[redisKeys] = strconv.FormatInt(keys, 10)
	}
	return e
}

// target is the address of the system under test without what is secret or changes with each
// start: no user, and of this machine no port.
func target(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && ip.IsLoopback() {
		return u.Scheme + "://loopback" + u.Path
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// sizable is the factor from which another number of rows or keys is worth a warning, and
// fewRows the number below which it never is.
const (
	sizable = 1.5
	fewRows = 10_000
)

// EnvironmentChanges says in words how a run's environment differs from that of others, as far
// as it may explain a difference: hosts, versions, data volume, the plan.
func EnvironmentChanges(run Run, others []Run) []string {
	var out []string
	if len(others) == 0 {
		return nil
	}
	differ := func(what, is string, of func(Run) string) {
		var was []string
		for _, o := range others {
			if v := of(o); !slices.Contains(was, v) {
				was = append(was, v)
			}
		}
		slices.Sort(was)
		if !slices.Contains(was, is) {
			out = append(out, fmt.Sprintf("another %s: %s, in the baseline %s", what, orNone(is), orNone(strings.Join(was, ", "))))
		}
	}
	for _, k := range []struct{ key, what string }{{"host", "host"}, {"os", "operating system"}, {"arch", "architecture"}, {"cpus", "number of CPUs"}, {"gomaxprocs", "GOMAXPROCS"},
		{"target", "system under test"}, {"postgres", "PostgreSQL"}, {"redis", "Redis"}} {
		differ(k.what, run.Environment[k.key], func(o Run) string { return o.Environment[k.key] })
	}
	differ("version of arqload", run.ToolVersion, func(o Run) string { return o.ToolVersion })
	differ("plan (steps, limits, objectives, address or user may differ)", short(run.PlanSHA256), func(o Run) string { return short(o.PlanSHA256) })
	for _, k := range slices.Sorted(maps.Keys(run.Environment)) {
		if k != redisKeys && !strings.HasPrefix(k, rowsPrefix) {
			continue
		}
		is, _ := strconv.ParseFloat(run.Environment[k], 64)
		low, high, n := 0.0, 0.0, 0
		for _, o := range others {
			v, err := strconv.ParseFloat(o.Environment[k], 64)
			if err != nil {
				continue
			}
			if n == 0 {
				low, high = v, v
			}
			low, high, n = min(low, v), max(high, v), n+1
		}
		what := "keys in Redis"
		if table, ok := strings.CutPrefix(k, rowsPrefix); ok {
			what = "rows in " + table
		}
		if n > 0 && max(is, high) >= fewRows && (is > sizable*high || is*sizable < low) {
			out = append(out, fmt.Sprintf("another data volume: the run began with %.0f %s, the baseline's with %s", is, what, span(low, high)))
		}
	}
	return out
}

func span(low, high float64) string {
	if low == high {
		return fmt.Sprintf("%.0f", low)
	}
	return fmt.Sprintf("%.0f to %.0f", low, high)
}

func orNone(s string) string {
	if s == "" {
		return "none known"
	}
	return s
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// LoadChanges says in words how a load differs from a baseline's; none: they can be compared.
func LoadChanges(run, baseline Load) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	known := !slices.ContainsFunc(slices.Concat(run.Phases, baseline.Phases), func(p Phase) bool { return p.Rate == "" })
	if run.Arrivals != baseline.Arrivals {
		add("arrivals are %s, in the baseline %s", run.Arrivals, baseline.Arrivals)
	}
	if a, b := phases(run, known), phases(baseline, known); a != b {
		add("the phases are %s, in the baseline %s", a, b)
	}
	was := map[string]Lane{}
	for _, l := range baseline.Lanes {
		was[l.Scenario] = l
	}
	for _, l := range run.Lanes {
		b, ok := was[l.Scenario]
		delete(was, l.Scenario)
		switch {
		case !ok:
			add("the scenario %s is not in the baseline", l.Scenario)
			continue
		case l.RatePerS != b.RatePerS:
			add("%s is planned with %g/s, in the baseline with %g/s", l.Scenario, l.RatePerS, b.RatePerS)
		case run.Arrivals != "poisson" && (l.PlannedRun != b.PlannedRun || l.PlannedJudged != b.PlannedJudged):
			add("%s has %d arrivals planned (%d judged), in the baseline %d (%d): the phases' shapes differ", l.Scenario, l.PlannedRun, l.PlannedJudged, b.PlannedRun, b.PlannedJudged)
		}
		if l.InFlight != b.InFlight {
			add("%s may have %d in flight, in the baseline %d", l.Scenario, l.InFlight, b.InFlight)
		}
		if !slices.Equal(l.Steps, b.Steps) {
			add("%s has the steps %s, in the baseline %s", l.Scenario, strings.Join(l.Steps, ", "), strings.Join(b.Steps, ", "))
		}
	}
	for _, l := range baseline.Lanes {
		if _, gone := was[l.Scenario]; gone {
			add("the scenario %s of the baseline is not in the load", l.Scenario)
		}
	}
	return out
}

// phases names the phases of a load, with their rates where those of both are known.
func phases(l Load, rates bool) string {
	var all []string
	for _, p := range l.Phases {
		judged := ""
		if !p.Judged {
			judged = ", not judged"
		}
		rate := ""
		if rates {
			rate = " at " + p.Rate
		}
		all = append(all, fmt.Sprintf("%s (%gs%s%s)", p.Name, p.DurationS, rate, judged))
	}
	return strings.Join(all, ", ")
}
