package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"arqload/attack/attacktest"
)

// terminal opens a pseudo-terminal. What is written to tty comes out of control.
func terminal(t *testing.T, columns uint16) (control, tty *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { control.Close() })
	fd := int(control.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal("unlocking:", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return control, tty
}

// on runs a command whose stdout or stderr is a terminal, and returns what it showed there.
func on(t *testing.T, columns uint16, cmd *exec.Cmd, attach func(tty *os.File)) (shown string, err error) {
	t.Helper()
	control, tty := terminal(t, columns)
	attach(tty)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	var b bytes.Buffer
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(&b, control)
		done <- err
	}()
	err = cmd.Wait()
	// Linux ends the reading with EIO once the last writer has gone.
	if readErr := <-done; readErr != nil && !errors.Is(readErr, unix.EIO) {
		t.Fatal(readErr)
	}
	return b.String(), err
}

// screen draws what a program sent to a terminal that knows the few commands of progress,
// and fails on any other. wide counts the lines that a terminal would have had to wrap.
func screen(t *testing.T, sent string, columns int) (lines []string, wide int) {
	t.Helper()
	row := 0
	at := func(i int) *string {
		for len(lines) <= i {
			lines = append(lines, "")
		}
		return &lines[i]
	}
	up := regexp.MustCompile(`^\x1b\[([0-9]+)A`)
	for len(sent) > 0 {
		if m := up.FindStringSubmatch(sent); m != nil {
			var n int
			fmt.Sscan(m[1], &n)
			if row -= n; row < 0 {
				t.Fatalf("the cursor goes above the first line")
			}
			sent = sent[len(m[0]):]
			continue
		}
		switch {
		case strings.HasPrefix(sent, "\x1b[2K"):
			*at(row) = ""
			sent = sent[len("\x1b[2K"):]
		case sent[0] == '\r':
			sent = sent[1:]
		case sent[0] == '\n':
			if len([]rune(*at(row))) > columns {
				wide++
			}
			row++
			sent = sent[1:]
		case sent[0] < ' ':
			t.Fatalf("the terminal got %q", sent[:min(len(sent), 20)])
		default:
			end := strings.IndexFunc(sent, func(c rune) bool { return c < ' ' })
			if end < 0 {
				end = len(sent)
			}
			*at(row) += sent[:end]
			sent = sent[end:]
		}
	}
	return lines, wide
}

// terminalPlan writes a plan of a few seconds against a system of its own.
func terminalPlan(t *testing.T, phase string) (plan, out string) {
	t.Helper()
	server := httptest.NewServer(attacktest.New(attacktest.Script{}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	plan = filepath.Join(dir, "plan.yaml")
	text := fmt.Sprintf(`version: 1
name: terminal
system: {base_url: %q, username: uat, password: correct-horse}
load: [{scenario: message, rate: 50/s}]
sessions: 2
phases: [{name: %s, duration: 3s}]
limits: {in_flight: 100, timeout: 30s, max_lag: 30s}
objectives: [p50 < 20s]
`, server.URL, phase)
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return plan, filepath.Join(dir, "runs")
}

func TestProgressIsRedrawnInPlace(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{100, 30} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			plan, out := terminalPlan(t, "a-phase-whose-name-alone-is-wider-than-thirty-columns")
			cmd := exec.Command("arqload", "run", plan, "--out", out)
			cmd.Env = environ("TERM=xterm")
			var report bytes.Buffer
			cmd.Stdout = &report
			sent, err := on(t, columns, cmd, func(tty *os.File) { cmd.Stderr = tty })
			if err != nil || !strings.HasPrefix(report.String(), "PASS") {
				t.Fatalf("%v\n%s%s", err, sent, report.String())
			}
			lines, wide := screen(t, sent, int(columns)-1)
			// Drawn once a second for 3 s, but there is one block in the end.
			if n := strings.Count(sent, "planned "); n < 3 {
				t.Errorf("the block was drawn %d times in 3 s: %q", n, sent)
			}
			blocks := 0
			for _, l := range lines {
				if strings.HasPrefix(l, "planned ") {
					blocks++
				}
			}
			if blocks != 1 {
				t.Errorf("%d blocks are left on the screen:\n%s", blocks, strings.Join(lines, "\n"))
			}
			// The bundle's name is the only thing that may be wider.
			for i, l := range lines {
				if strings.HasPrefix(l, "bundle: ") {
					lines[i] = ""
					if len(l) > int(columns)-1 {
						wide--
					}
				}
			}
			if wide > 0 {
				t.Errorf("%d lines are wider than %d columns:\n%s", wide, columns-1, strings.Join(lines, "\n"))
			}
			if strings.Contains(report.String(), "\x1b") {
				t.Error("stdout is no terminal, and got a command to one")
			}
		})
	}
}

func TestADumbTerminalGetsPlainLines(t *testing.T) {
	t.Parallel()
	plan, out := terminalPlan(t, "steady")
	cmd := exec.Command("arqload", "run", plan, "--out", out)
	cmd.Env = environ("TERM=dumb")
	sent, err := on(t, 100, cmd, func(tty *os.File) { cmd.Stdout, cmd.Stderr = tty, tty })
	if err != nil || strings.Contains(sent, "\x1b") || strings.Count(sent, "planned ") > 20 || !strings.Contains(sent, "PASS") {
		t.Errorf("%v: %q", err, sent)
	}
}

func TestTheReportOnATerminal(t *testing.T) {
	t.Parallel()
	plan, out := terminalPlan(t, "steady")
	run := exec.Command("arqload", "run", plan, "--out", out, "--quiet")
	run.Env = environ()
	if said, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	bundles, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(bundles) != 1 {
		t.Fatal(bundles, err)
	}
	show := func(columns uint16, env string) string {
		cmd := exec.Command("arqload", "judge", bundles[0])
		cmd.Env = environ("TERM=xterm", env)
		shown, err := on(t, columns, cmd, func(tty *os.File) { cmd.Stdout = tty })
		if err != nil {
			t.Errorf("%v: %s", err, shown)
		}
		return strings.ReplaceAll(shown, "\r\n", "\n")
	}
	const green = "\x1b[1;32mPASS\x1b[0m"
	colored := show(100, "NO_COLOR=")
	if !strings.HasPrefix(colored, green+"  terminal (exit code 0)\n") || strings.Count(colored, "\x1b") != 2 {
		t.Errorf("the verdict is not green, or more has colour: %q", colored[:60])
	}
	plain := show(100, "NO_COLOR=1")
	if strings.Contains(plain, "\x1b") || plain != strings.Replace(colored, green, "PASS", 1) {
		t.Errorf("NO_COLOR changes more than the colour, or less: %q", plain[:60])
	}
	if dumb := show(100, "TERM=dumb"); dumb != plain {
		t.Errorf("a dumb terminal got %q", dumb[:60])
	}
	saved, err := os.ReadFile(filepath.Join(bundles[0], "report.txt"))
	if err != nil || string(saved) != plain {
		t.Errorf("%v: report.txt is not what a terminal of 100 columns shows", err)
	}
	for _, columns := range []int{80, 120} {
		for _, l := range strings.Split(show(uint16(columns), "NO_COLOR=1"), "\n") {
			if n := len([]rune(l)); n > columns {
				t.Errorf("%d columns: a line of %d: %s", columns, n, l)
			}
		}
	}
}

func TestValidateFitsTheTerminal(t *testing.T) {
	t.Parallel()
	plan, _ := terminalPlan(t, "steady")
	cmd := exec.Command("arqload", "validate", plan)
	cmd.Env = environ("TERM=xterm")
	shown, err := on(t, 80, cmd, func(tty *os.File) { cmd.Stdout = tty })
	if err != nil || !strings.Contains(shown, "\nobjectives: ") {
		t.Fatalf("%v: %q", err, shown)
	}
	for _, line := range strings.Split(strings.ReplaceAll(shown, "\r\n", "\n"), "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("a line of %d columns: %s", len([]rune(line)), line)
		}
	}
}
