package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

var errPortTaken = errors.New("the port was taken by another program")

// A process is one server: started, waited for by a goroutine of its own, and stopped by ever stronger signals.
type process struct {
	name    string
	cmd     *exec.Cmd
	logPath string
	exited  chan struct{} // closed once the process was reaped
	waitErr error         // what Wait said; read it after exited
}

// spawn starts a server in a process group of its own, so that a terminal's Ctrl-C reaches us and not it. It gets the
// signal death when this process dies.
func (s *Sandbox) spawn(death syscall.Signal, dir, bin string, args ...string) (*process, error) {
	return s.spawnAs(baseName(bin), death, dir, bin, args...)
}

// spawnAs is spawn for one of several servers of the same program: name tells it from the others, in errors and as the
// name of its log.
func (s *Sandbox) spawnAs(name string, death syscall.Signal, dir, bin string, args ...string) (*process, error) {
	attr, err := childAttributes(s.account, death)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, exited: make(chan struct{})}
	p.logPath = s.folder.join(p.name + ".log")
	logFile, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	p.cmd = exec.Command(bin, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.SysProcAttr = dir, environ(), attr
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	s.thread.do(func() { err = p.cmd.Start() })
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(p.exited)
		p.waitErr = p.cmd.Wait()
	}()
	return p, nil
}

// run runs a program to its end and returns what it printed. A context that ends kills the whole process group, and run
// returns only when every member has closed its output, so none of them can still write into the folder.
func (s *Sandbox) run(ctx context.Context, stdin, dir, bin string, args ...string) (string, error) {
	attr, err := childAttributes(s.account, syscall.SIGKILL)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environ(), attr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 5 * time.Second
	s.thread.do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w%s", baseName(bin), err, tail(out.String()))
	}
	return out.String(), nil
}

// waitReady polls ready until it says true, the process ends, the context ends or readyWithin has passed.
func (p *process) waitReady(ctx context.Context, ready func() bool) error {
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return p.failure(fmt.Sprintf("is not ready after %v", readyWithin))
		case <-p.exited:
			if text, _ := os.ReadFile(p.logPath); strings.Contains(string(text), "already in use") {
				return errPortTaken
			}
			return p.failure("ended before it was ready")
		case <-tick.C:
			if ready() {
				return nil
			}
		}
	}
}

// A stopStep is a signal and how long it may take.
type stopStep struct {
	signal syscall.Signal
	within time.Duration
}

// stop goes through the steps until the process has ended, and kills it with all its children after the last. Only an
// end by the first step is no error.
func (p *process) stop(steps ...stopStep) error {
	select {
	case <-p.exited:
		return p.failure("had ended by itself")
	default:
	}
	for i, step := range steps {
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		select {
		case <-p.exited:
			if i == 0 {
				return nil
			}
			return p.failure(fmt.Sprintf("ended only on %v", step.signal))
		case <-time.After(step.within):
		}
	}
	if err := killTree(p.cmd.Process.Pid); err != nil {
		return fmt.Errorf("%s: kill: %w", p.name, err)
	}
	select {
	case <-p.exited:
		return p.failure("had to be killed")
	case <-time.After(5 * time.Second):
		return p.failure("is still there after being killed")
	}
}

// failure is an error that carries the state of the process, if it has ended, and the end of its log.
func (p *process) failure(what string) error {
	text, _ := os.ReadFile(p.logPath) // no log is an empty tail
	select {
	case <-p.exited:
		return fmt.Errorf("%s %s (%v)%s", p.name, what, p.cmd.ProcessState, tail(string(text)))
	default:
		return fmt.Errorf("%s %s%s", p.name, what, tail(string(text)))
	}
}

// tail is the last ten lines of a log, indented for an error text.
func tail(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-10):]
	return ":\n\t" + strings.Join(lines, "\n\t")
}

// onFreePort calls start with loopback ports that were free a moment ago, again when another program was faster.
func onFreePort(start func(port int) error) error {
	var err error
	for range portTries {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = start(port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("%d ports in a row: %w", portTries, err)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", loopback(0))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
