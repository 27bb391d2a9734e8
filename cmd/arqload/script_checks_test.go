package main

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdNoSecret looks for the values of the named environment variables in every file of
// the script's folder but its own input, in stdout and in stderr, in each form in which a
// server may echo them.
//
//	nosecret [-skip FILE] NAME...
func cmdNoSecret(ts *testscript.TestScript, neg bool, args []string) {
	skip := map[string]bool{}
	for len(args) > 1 && args[0] == "-skip" {
		skip[args[1]] = true
		args = args[2:]
	}
	texts := map[string]string{"stdout": ts.ReadFile("stdout"), "stderr": ts.ReadFile("stderr")}
	root := ts.MkAbs(".")
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || skip[filepath.Base(path)] {
			return err
		}
		b, err := os.ReadFile(path)
		texts[path] = string(b)
		return err
	}))
	if len(texts) < 10 {
		ts.Fatalf("only %d texts to look through: no bundle was written", len(texts))
	}
	for _, name := range args {
		secret := ts.Getenv(name)
		if secret == "" {
			ts.Fatalf("$%s is empty", name)
		}
		quoted, _ := json.Marshal(secret)
		forms := []string{secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret))}
		for where, text := range texts {
			for _, f := range forms {
				if i := strings.Index(text, f); i >= 0 {
					ts.Fatalf("%s holds the secret of $%s: ...%s...", where, name, text[max(0, i-80):i])
				}
			}
		}
	}
}

// cmdAccounted checks a report's sums: planned = sent + shed + canceled = ok + failed.
func cmdAccounted(ts *testscript.TestScript, neg bool, args []string) {
	matches, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(matches) != 1 {
		ts.Fatalf("%s matches %d files", args[0], len(matches))
	}
	b, err := os.ReadFile(matches[0])
	ts.Check(err)
	var r struct {
		Generator struct {
			Whole struct{ Planned, Sent, Shed, Canceled, OK, Failed uint64 } `json:"whole_run"`
		}
	}
	ts.Check(json.Unmarshal(b, &r))
	if w := r.Generator.Whole; w.Planned == 0 || w.Planned != w.Sent+w.Shed+w.Canceled || w.Planned != w.OK+w.Failed {
		ts.Fatalf("the whole run does not add up: %+v", w)
	}
}
