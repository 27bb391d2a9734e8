package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var redisStop = []stopStep{{syscall.SIGTERM, 5 * time.Second}}

func (s *Sandbox) startRedis(ctx context.Context, bin string) error {
	dir, err := s.folder.mkdir("redis", s.account)
	if err != nil {
		return err
	}
	return onFreePort(func(port int) error {
		p, err := s.spawn(syscall.SIGKILL, dir, bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(port),
			"--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no")
		if err != nil {
			return err
		}
		if err := p.waitReady(ctx, func() bool { return redisPID(loopback(port), "") == p.cmd.Process.Pid }); err != nil {
			return s.discard(p, err, redisStop)
		}
		s.redis, s.redisURL = p, fmt.Sprintf("redis://%s/0", loopback(port))
		return nil
	})
}

// redisPID asks the server at addr for its process id, which tells our Redis from a stranger's on the same port; 0 if
// nothing answers. INFO counts neither as a hit nor as a miss. A password is that of the default user.
func redisPID(addr, password string) int {
	conn, err := net.DialTimeout("tcp4", addr, time.Second)
	if err != nil {
		return 0
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if password != "" {
		fmt.Fprintf(conn, "AUTH %s\r\n", password)
	}
	fmt.Fprint(conn, "INFO server\r\nQUIT\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "process_id:"); ok {
			pid, _ := strconv.Atoi(v) // 0 is nobody's
			return pid
		}
	}
	return 0
}

// discard stops a server that did not become ready for the reason err. A server that ended by itself is already told by
// err.
func (s *Sandbox) discard(p *process, err error, steps []stopStep) error {
	select {
	case <-p.exited:
		return err
	default:
		return errors.Join(err, p.stop(steps...))
	}
}
