package reports_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"arqload/reports"
	"arqload/scenarios"
)

func TestTheCatalogueFitsTheTerminalAndNamesEverything(t *testing.T) {
	for _, width := range []int{0, 80, 120} {
		var b bytes.Buffer
		if err := reports.WriteCatalogue(&b, scenarios.Catalogue(), width); err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(b.String(), "\n") {
			if w := twwidth.Width(line); w > max(width, 80) {
				t.Errorf("width %d: line %d takes %d columns: %s", width, n+1, w, line)
			}
		}
		plain := strings.Join(strings.Fields(b.String()), " ")
		for _, d := range scenarios.Catalogue() {
			example := d.Name + " " + string(d.Comparison()) + " " + d.Example
			for _, part := range []string{example, d.Meaning, "[" + d.Source + "]", " " + string(d.Rule), "\n  " + string(d.Rule) + ": "} {
				if text := plain; !strings.Contains(text, strings.TrimSpace(part)) {
					t.Errorf("width %d: %s: %q is not said", width, d.Name, part)
				}
			}
		}
		if width == 80 {
			golden(t, "catalogue.txt", b.String())
		}
	}
}
