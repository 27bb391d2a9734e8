package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"

	"arqload/attack/attacktest"
)

var update = flag.Bool("update", false, "rewrite the files that the scripts compare with")

// TestTheCommandLine runs testdata/cli/*.txtar. Beside testscript's own commands they have:
//
//	system [key=value...]     start a scripted system on loopback; $ARQ_BASE_URL names it
//	requests = N              it has received N requests
//	requests >= N             wait until it has received so many
//	code N arqload ...        run to the end; the exit code must be N
//	watch                     remember the process just started in the background
//	signal NAME               send it STOP, CONT, INT, TERM or KILL
//	exited N                  its exit code, after `wait`; -1: it was killed
//	pause DURATION            wait; for what only passing time can bring about
//	lines FILE N              wait until the file (a pattern) has N lines
//	[!] bundle DIR            $BUNDLE is the one bundle in DIR (there is none)
//	json FILE PATH OP VALUE   compare a value: =, ~ (regular expression), <, >
//	accounted FILE            every arrival of a report is accounted for
//	chop FILE N               cut N bytes off the end
//	unfinished BUNDLE         take its footer away, as when its process was killed
//	secrets                   set the variables that hold secrets
//	clean FILE|DIR...         none of these secrets is in there, in any form
//	metrics FILE VARIABLE     serve it as a Prometheus endpoint, whose URL is $VARIABLE
func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/cli",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Values[stateKey{}] = &state{}
			e.Vars = append(e.Vars, noSleep)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"system": doSystem, "requests": doRequests, "code": doCode, "watch": doWatch, "signal": doSignal, "exited": doExited, "pause": doPause,
			"lines": doLines, "bundle": doBundle, "json": doJSON, "accounted": doAccounted, "chop": doChop, "unfinished": doUnfinished,
			"secrets": doSecrets, "clean": doClean, "metrics": doMetrics,
		},
	})
}

// noSleep keeps the race detector from waiting a second at the end of each process.
const noSleep = "GORACE=atexit_sleep_ms=0"

// environ is the environment of a command under test.
func environ(more ...string) []string { return append(append(os.Environ(), noSleep), more...) }

// state is one script's.
type state struct {
	system *attacktest.System
	cmd    *exec.Cmd
}

type stateKey struct{}

func of(ts *testscript.TestScript) *state { return ts.Value(stateKey{}).(*state) }

func usage(ts *testscript.TestScript, ok bool, how string) {
	if !ok {
		ts.Fatalf("usage: %s", how)
	}
}

func number(ts *testscript.TestScript, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	ts.Check(err)
	return n
}

func doSystem(ts *testscript.TestScript, _ bool, args []string) {
	var script attacktest.Script
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		duration := func(s string) time.Duration {
			d, err := time.ParseDuration(s)
			ts.Check(err)
			return d
		}
		switch key {
		case "error-every":
			script.ErrorEvery = number(ts, value)
		case "status":
			script.Status = int(number(ts, value))
		case "hang-every":
			script.HangEvery = number(ts, value)
		case "latency":
			script.Latency = duration(value)
		case "echo":
			script.Echo = true
		case "leak":
			script.Answer = leak
		default:
			ts.Fatalf("system: there is no %q", key)
		}
	}
	of(ts).system = attacktest.New(script)
	server := httptest.NewUnstartedServer(of(ts).system)
	server.Config.ErrorLog = nil
	server.Start()
	ts.Defer(func() {
		server.CloseClientConnections() // a hung request would hold Close
		server.Close()
	})
	ts.Setenv("ARQ_BASE_URL", server.URL)
}

func doRequests(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 2, "requests =|>= N")
	want := number(ts, args[1])
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := of(ts).system.Requests.Load()
		if got == want || got > want && args[0] == ">=" {
			return
		}
		if args[0] == "=" || time.Now().After(end) {
			ts.Fatalf("the system received %d requests, want %s %d", got, args[0], want)
		}
	}
}

func doCode(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) >= 2, "code N program args...")
	got, err := 0, ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := int(number(ts, args[0])); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func doWatch(ts *testscript.TestScript, _ bool, _ []string) {
	all := ts.BackgroundCmds()
	usage(ts, len(all) > 0, "watch, after a command in the background")
	of(ts).cmd = all[len(all)-1]
}

func doSignal(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 1, "signal NAME")
	signals := map[string]syscall.Signal{"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	ts.Check(of(ts).cmd.Process.Signal(signals[args[0]]))
}

func doExited(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 1, "exited N")
	if got := strconv.Itoa(of(ts).cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func doPause(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 1, "pause DURATION")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

// theOne is the one file that a pattern names; "" where there is none.
func theOne(ts *testscript.TestScript, pattern string) string {
	if pattern == "stdout" || pattern == "stderr" {
		return pattern
	}
	found, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(found) > 1 {
		ts.Fatalf("%s: %d files, want one", pattern, len(found))
	}
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

func doLines(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 2, "lines FILE N")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if path := theOne(ts, args[0]); path != "" {
			if content, err := os.ReadFile(path); err == nil && uint64(bytes.Count(content, []byte("\n"))) >= number(ts, args[1]) {
				return
			}
		}
		if time.Now().After(end) {
			ts.Fatalf("%s has not got %s lines in 30 s", args[0], args[1])
		}
	}
}

func doBundle(ts *testscript.TestScript, none bool, args []string) {
	usage(ts, len(args) == 1, "[!] bundle DIR")
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	if !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	want := 1
	if none {
		want = 0
	}
	if len(entries) != want {
		ts.Fatalf("%s holds %v, want %d bundles", args[0], entries, want)
	}
	if !none {
		ts.Setenv("BUNDLE", filepath.Join(args[0], entries[0].Name()))
	}
}

func document(ts *testscript.TestScript, file string) gjson.Result {
	text := ts.ReadFile(theOne(ts, file))
	if !gjson.Valid(text) {
		ts.Fatalf("%s is no JSON", file)
	}
	return gjson.Parse(text)
}

func doJSON(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 4, "json FILE PATH =|~|<|> VALUE")
	v := document(ts, args[0]).Get(args[1])
	limit, _ := strconv.ParseFloat(args[3], 64)
	ok := v.Exists()
	switch args[2] {
	case "=":
		ok = ok && v.String() == args[3] || v.Type == gjson.Null && v.Raw == args[3]
	case "~":
		match, err := regexp.MatchString(args[3], v.String())
		ts.Check(err)
		ok = ok && match
	case "<":
		ok = ok && v.Type == gjson.Number && v.Num < limit
	case ">":
		ok = ok && v.Type == gjson.Number && v.Num > limit
	default:
		ts.Fatalf("json: there is no %q", args[2])
	}
	if !ok {
		ts.Fatalf("%s is %s, want %s %s", args[1], v.Raw, args[2], args[3])
	}
}

func doAccounted(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 1, "accounted FILE")
	for _, wrong := range unaccounted(document(ts, args[0])) {
		ts.Fatalf("%s", wrong)
	}
}

// unaccounted holds a report's numbers against each other.
func unaccounted(doc gjson.Result) (wrong []string) {
	equal := func(sum string, of ...string) {
		var n float64
		for _, path := range of {
			n += doc.Get(path).Num
		}
		if v := doc.Get(sum); !v.Exists() || v.Num != n {
			wrong = append(wrong, fmt.Sprintf("%s is %s, but %s make %v", sum, v.Raw, strings.Join(of, " + "), n))
		}
	}
	equal("generator.planned", "generator.sent", "generator.shed", "generator.canceled")
	equal("generator.whole_run.planned", "generator.whole_run.sent", "generator.whole_run.shed", "generator.whole_run.canceled")
	equal("generator.whole_run.planned", "generator.whole_run.ok", "generator.whole_run.failed")
	equal("total.planned", "total.ok", "total.failed")
	equal("generator.planned", "total.planned")
	equal("total.ok", "total.response_time.count")
	var classes, planned, lanes float64
	doc.Get("total.errors").ForEach(func(_, n gjson.Result) bool { classes += n.Num; return true })
	doc.Get("scenarios").ForEach(func(_, s gjson.Result) bool { lanes += s.Get("planned").Num; return true })
	doc.Get("phases").ForEach(func(_, p gjson.Result) bool { planned += p.Get("planned").Num; return true })
	for what, pair := range map[string][2]float64{
		"the classes of failure and failed":             {classes, doc.Get("total.failed").Num},
		"the scenarios' arrivals and the total":         {lanes, doc.Get("total.planned").Num},
		"the phases' arrivals and those of the run":     {planned, doc.Get("generator.whole_run.planned").Num},
		"the canceled of the generator and of the rest": {doc.Get("generator.canceled").Num, doc.Get("total.canceled").Num},
	} {
		if pair[0] != pair[1] {
			wrong = append(wrong, fmt.Sprintf("%s: %v and %v", what, pair[0], pair[1]))
		}
	}
	return wrong
}

func doChop(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 2, "chop FILE N")
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()-int64(number(ts, args[1]))))
}

func doUnfinished(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 1, "unfinished BUNDLE")
	path := filepath.Join(ts.MkAbs(args[0]), "run.json")
	content, err := os.ReadFile(path)
	ts.Check(err)
	var run map[string]json.RawMessage
	ts.Check(json.Unmarshal(content, &run))
	run["footer"] = json.RawMessage("null")
	delete(run, "files")
	content, err = json.Marshal(run)
	ts.Check(err)
	ts.Check(os.WriteFile(path, content, 0o644))
}

// The secrets. Each is hard to write in JSON, URLs and a shell, and ends in letters that
// every one of those leaves as they are: where these stand, the secret leaked.
const (
	nasty         = `"q\u%41&<é☃>' ;=/+`
	loginCore     = "mN4vK9tRqw"
	tokenCore     = "hB7zXc2LpE"
	keyCore       = "Yd5sGj8WuA"
	postgresCore  = "Tf3kQn6VxC"
	redisCore     = "Rr9eUi1OaS"
	loginPassword = nasty + loginCore
	sessionToken  = `tok"\é/` + tokenCore
)

var cores = []string{loginCore, tokenCore, keyCore, postgresCore, redisCore}

func doSecrets(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("ARQ_PASSWORD", loginPassword)
	ts.Setenv("API_KEY", nasty+keyCore)
	// Nothing listens on port 1.
	ts.Setenv("POSTGRES_URL", "postgres://arq:"+url.QueryEscape(nasty+postgresCore)+"@127.0.0.1:1/arq")
	ts.Setenv("POSTGRES_DSN", `host=127.0.0.1 port=1 user=arq password='`+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(nasty+postgresCore)+`'`)
	ts.Setenv("REDIS_URL", "redis://:"+url.QueryEscape(nasty+redisCore)+"@127.0.0.1:1/0")
	ts.Setenv("REDIS_PARTS", "redis://user:"+url.PathEscape(nasty+redisCore)+"@127.0.0.1:1/not-a-number")
}

// leak is the body of a system that tells everything it knows, in every form. Only the
// token and the id stand where a client looks for them.
func leak(path string) string {
	quoted := func(s string) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(strings.Contains(path, "html"))
		_ = e.Encode(s)
		return strings.TrimSpace(b.String())
	}
	if !strings.HasPrefix(path, "/leak") {
		return `{"access_token":` + quoted(sessionToken) + `,"id":"1"}`
	}
	var said []string
	for name, s := range map[string]string{"password": loginPassword, "token": sessionToken, "key": nasty + keyCore} {
		for i, form := range []string{
			quoted(s), unicodeEscapes(quoted(s)), quoted(url.QueryEscape(s)), quoted(url.PathEscape(s)),
			quoted(base64.StdEncoding.EncodeToString([]byte(s))), quoted(base64.RawURLEncoding.EncodeToString([]byte(s))),
		} {
			said = append(said, fmt.Sprintf(`"%s %d":%s`, name, i, form))
		}
	}
	slices.Sort(said)
	if strings.HasSuffix(path, "reversed") { // of an answer only the beginning is kept
		slices.Reverse(said)
	}
	return `{"ok":` + quoted(loginPassword) + `,` + strings.Join(said, ",") + `}`
}

// unicodeEscapes writes JSON text as those do who trust ASCII alone.
func unicodeEscapes(text string) string {
	var b strings.Builder
	for _, c := range text {
		if c < 0x80 {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}

// forms are the ways in which the end of a secret may stand in a file: as it is (in JSON,
// URLs and quotes too), and in base64 at each of the three places where a group may begin.
func forms(core string) []string {
	all := []string{core, hex.EncodeToString([]byte(core))}
	for shift := range 3 {
		s := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + core))
		s = strings.TrimRight(s, "=")
		all = append(all, s[4*((shift+2)/3):len(s)-2])
	}
	return all
}

func doClean(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) > 0, "clean FILE|DIR...")
	check := func(name, content string) {
		for _, core := range cores {
			for i, form := range forms(core) {
				if at := strings.Index(content, form); at >= 0 {
					ts.Fatalf("%s holds the secret %s (form %d): ...%s...", name, core, i, content[max(0, at-120):min(len(content), at+len(form)+20)])
				}
			}
		}
	}
	for _, arg := range args {
		if arg == "stdout" || arg == "stderr" {
			check(arg, ts.ReadFile(arg))
			continue
		}
		files := 0
		ts.Check(filepath.WalkDir(ts.MkAbs(arg), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			check(path, ts.ReadFile(path))
			return nil
		}))
		if files == 0 {
			ts.Fatalf("%s holds no file", arg)
		}
	}
}

// The scripts' `clean` must find what it looks for.
func TestASecretIsFoundInEveryForm(t *testing.T) {
	found := func(text, core string) bool {
		return slices.ContainsFunc(forms(core), func(f string) bool { return strings.Contains(text, f) })
	}
	for _, core := range cores {
		quoted, _ := json.Marshal(nasty + core)
		told := []string{core, string(quoted), url.QueryEscape(nasty + core), strconv.QuoteToASCII(nasty + core), hex.EncodeToString([]byte(core))}
		for n := range 3 {
			text := []byte(strings.Repeat("a", n) + core + "rest")
			told = append(told, base64.StdEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(text))
		}
		for _, text := range told {
			if !found(text, core) {
				t.Errorf("%s is not found in %s", core, text)
			}
		}
	}
	for _, core := range []string{loginCore, tokenCore, keyCore} {
		if !found(leak("/leak"), core) {
			t.Errorf("the leaking system does not tell %s", core)
		}
	}
}
