package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const top = "../.."

// documents are the texts that tell people what to type: those that are there yet.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	more, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(more, filepath.Join(top, "README.md"), filepath.Join(top, "CHANGELOG.md")) {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(path, top+"/")] = string(text)
	}
	return texts
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks are a document's fenced blocks of a language.
func blocks(text, language string) (all []string) {
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	return all
}

// commands are the lines of shell text that call arqload or make, without comments and
// without the variables set before them.
func commands(text string) (all [][]string) {
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line, _, _ = strings.Cut(line, " #")
		words := strings.Fields(line)
		for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) > 0 && (filepath.Base(words[0]) == "arqload" || words[0] == "make") {
			all = append(all, words)
		}
	}
	return all
}

// wrong says what is wrong with a command line of arqload, before anything is done.
func wrong(words []string) error {
	cmd, rest, err := newRoot().Find(words[1:])
	if err != nil {
		return err
	}
	if cmd.HasParent() == false && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("there is no command %q", rest[0])
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestEveryCommandInTheDocumentsExists(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(where string, words []string) {
		if words[0] != "make" {
			if err := wrong(words); err != nil {
				t.Errorf("%s: %s: %v", where, strings.Join(words, " "), err)
			}
			return
		}
		for _, target := range words[1:] {
			if !strings.Contains(target, "=") && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:`).Match(makefile) {
				t.Errorf("%s: make has no target %q", where, target)
			}
		}
	}
	for name, text := range documents(t) {
		for _, block := range blocks(text, "sh") {
			for _, words := range commands(block) {
				check(name, words)
			}
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, words := range commands(c.Example) {
			check(c.CommandPath()+" --help", words)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

// The check above must find what it looks for.
func TestAWrongCommandInADocumentIsFound(t *testing.T) {
	const text = "# x\n```sh\nmake demo   # a comment\nARQ_X=1 ./bin/arqload run plan.yaml --out runs # another\narqload run plan.yaml \\\n  --fast\narqload rum\narqload judge\narqload judge runs/x --plan p.yaml\narqload --version\narqload run --help\necho arqload rum\n```\n```yaml\narqload: rum\n```\n"
	var found []string
	for _, words := range commands(blocks(text, "sh")[0]) {
		if words[0] != "make" && wrong(words) != nil {
			found = append(found, strings.Join(words, " "))
		}
	}
	if got, want := strings.Join(found, "; "), "arqload run plan.yaml --fast; arqload rum; arqload judge"; got != want || len(blocks(text, "yaml")) != 1 {
		t.Errorf("found %q, want %q", got, want)
	}
}
