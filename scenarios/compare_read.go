package scenarios

import (
	"errors"
	"time"
)

// DefaultCompare is what a plan does not say.
func DefaultCompare() Compare { return Compare{Margin: 0.1, AtLeast: 5 * time.Millisecond} }

// compare reads the margins of comparisons; n is nil where the plan has none.
func (r *reader) compare(n *node) Compare {
	c := DefaultCompare()
	if n == nil {
		return c
	}
	o, ok := r.object(n, "compare", "{margin: 10%, at_least: 5ms}", "margin", "at_least")
	if !ok {
		return c
	}
	if v := o.get("margin"); v != nil {
		c.Margin, _ = value(r, v, o.at("margin"), parseMargin)
	}
	if v := o.get("at_least"); v != nil {
		c.AtLeast, _ = value(r, v, o.at("at_least"), parsePositiveDuration(maxWait))
	}
	return c
}

// parseMargin parses "10%" or "0.1" into a fraction above 0.
func parseMargin(s string) (float64, error) {
	v, err := parseShare(s)
	switch {
	case err != nil:
		return 0, errors.New("is no margin: write a share above 0, such as 10%")
	case v <= 0:
		return 0, errors.New("is no margin: any change at all would be a regression; write a share above 0, such as 10%")
	}
	return v, nil
}
