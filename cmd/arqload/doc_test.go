package main

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"arqload/scenarios"
)

// TestThePlansInTheDocumentsAreValid reads every YAML block of the documents as a plan.
func TestThePlansInTheDocumentsAreValid(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range []string{"../../README.md", "../../docs/plan.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := blocks.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s shows no plan", file)
		}
		for i, b := range found {
			_, err := scenarios.Parse(fmt.Sprintf("%s block %d", file, i), b[1], func(name string) (string, bool) {
				values := map[string]string{envBaseURL: "http://127.0.0.1:1", envUsername: "u", envPassword: "p"}
				v, ok := values[name]
				return v, ok
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}
