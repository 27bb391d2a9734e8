package scenarios_test

import (
	"strings"
	"testing"
)

func TestRatesArePerSecond(t *testing.T) {
	for text, want := range map[string]float64{
		"100/s": 100, "30/m": 0.5, "1800/h": 0.5, "0.25/s": 0.25, ".5/s": 0.5, "1e2/s": 100, "1.5E+1/s": 15, "1000000/s": 1e6, "7 / s": 7, "+3/s": 3,
	} {
		if got := parse(t, strings.Replace(basePlan, "10/s", `"`+text+`"`, 1), nil).Load[0].Rate; got != want {
			t.Errorf("%s is read as %v per second, want %v", text, got, want)
		}
	}
	for _, text := range []string{"1e7/s", "1e400/s", "1e-400/s", "1e99999999999999999999/s", "0x10/s", "1_000/s", "Inf/s", "/s", "5/", "5//s", "1/s/s", "٣/s", ""} {
		if problems(t, strings.Replace(basePlan, "10/s", `"`+text+`"`, 1)) == nil {
			t.Errorf("the rate %q is accepted", text)
		}
	}
}

func TestSharesAreExactDecimals(t *testing.T) {
	for text, want := range map[string]float64{"10%": 0.1, "0.1": 0.1, "33.3%": 0.333, "7%": 0.07, "57%": 0.57, "1000%": 10, "1": 1, "0": 0} {
		src := strings.Replace(basePlan, "duration: 10s", "duration: 10s, from: "+text+", to: 50%", 1)
		if got := parse(t, src, nil).Phases[0].From; got != want {
			t.Errorf("%s is read as %v, want %v", text, got, want)
		}
	}
}
