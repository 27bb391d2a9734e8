package reports

// list makes an empty list of none, so that JSON has [] and not null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// gaps tells what a collector did not see.
func (t *text) gaps(gaps []string) {
	for _, g := range gaps {
		t.entry("gap", "%s", g)
	}
}
