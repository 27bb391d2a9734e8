package reports

import (
	"fmt"
	"io"
	"strings"

	"arqload/scenarios"
)

// sources are the headings of a catalogue, by the field of the plan.
var sources = map[string]string{
	"":                 "The load",
	"postgres":         "PostgreSQL: needs system.postgres",
	"postgres_replica": "A replica of PostgreSQL: needs system.postgres and system.postgres_replica",
	"redis":            "Redis: needs system.redis",
	"redis_probe_key":  "Replicas of Redis: needs system.redis and system.redis_probe_key",
	"hosts":            "Machines: needs system.hosts",
	"metrics":          "The application's own metrics: needs system.metrics",
}

// ruleWords explain the rules, in the order in which a catalogue comes to them.
var ruleWords = []struct {
	rule  scenarios.Rule
	words string
}{
	{scenarios.RuleRate, "with a t-interval over the seconds"},
	{scenarios.RuleArrivals, "with an exact bound on the share of the bad ones, failures among them"},
	{scenarios.RuleStatements, "by what is proved of how many calls can have been slow; an estimate never decides"},
	{scenarios.RuleMax, "every sample must satisfy the limit, about one a second; what is between them is not seen"},
	{scenarios.RuleSum, "the difference of counters between the ends of the judged time"},
	{scenarios.RuleMean, "of the judged time, with a t-interval over the intervals between samples; of several nodes or hosts all must satisfy it"},
	{scenarios.RuleP99, "fewer than 1% of the probes may reach the limit, with an exact bound; 299 probes prove it at best"},
	{scenarios.RuleRatio, "with a t-interval over the seconds"},
	{scenarios.RuleSeries, "a gauge by its worst sample, a counter by its increase over the judged time"},
}

// WriteCatalogue lists what objectives can be about, grouped by where it comes from: an
// example, unit, how it is judged, what it means and where it is read.
func WriteCatalogue(w io.Writer, all []scenarios.Definition, width int) error {
	if width <= 0 {
		width = 80
	}
	t := &text{o: TextOptions{Width: width}}
	t.paragraph("", "What an objective can be about, with an example of each. A limit is a time (2s, 100ms), a percentage, a count, a size (512MiB, 2GB) or a rate (1000/s), as the unit says. In brackets: where it is read.")
	for i := 0; i < len(all); {
		field := all[i].Field
		t.heading(sources[field])
		tab := t.table("LLL", "objective", "unit", "judged by")
		j := i
		for ; j < len(all) && all[j].Field == field; j++ {
			d := all[j]
			tab.row(fmt.Sprintf("%s %s %s", d.Name, d.Comparison(), d.Example), strings.ReplaceAll(string(d.Unit), "_", " "), string(d.Rule))
		}
		lines := tab.lines()
		t.b.WriteString(lines[0])
		for k, d := range all[i:j] {
			t.b.WriteString(lines[k+1])
			t.paragraph("      ", d.Meaning+" ["+d.Source+"]")
		}
		i = j
	}
	t.heading("How each is judged")
	for _, r := range ruleWords {
		t.paragraph("  "+string(r.rule)+": ", r.words)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}
