package pgstat

import (
	"testing"

	"arqload/attack/attacktest"
)

func line(t *testing.T, target string) *attacktest.Line {
	t.Helper()
	l, err := attacktest.NewLine(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}
