package compare

import (
	"slices"
	"testing"
)

func TestWhatIsLeftOutIsCounted(t *testing.T) {
	for n, want := range map[int]string{reasonsShown + 1: "and 1 more metric regressed", reasonsShown + 2: "and 2 more metrics regressed"} {
		c := Comparison{Regressed: true, Family: n}
		for range n {
			c.Changes = append(c.Changes, Change{Decides: true, Verdict: Regressed, Reason: "worse"})
		}
		c.reason()
		if len(c.Reasons) != reasonsShown+2 || !slices.Contains(c.Reasons, want) {
			t.Errorf("%d regressed: %q", n, c.Reasons)
		}
	}
}

func TestADifferenceOfNothingHasNoSign(t *testing.T) {
	share := Change{Absolute: true, Metric: Metric{Unit: UnitShare}}
	if got := share.Moved(); got != "0 points" {
		t.Errorf("%q", got)
	}
}
