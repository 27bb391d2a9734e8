package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// slots is how many a Redis cluster divides its keys into.
const slots = 16384

// join makes a cluster of the servers: the first Masters get the slots in equal parts, the rest are their replicas in
// turn. It returns when every server calls the cluster whole and every replica is connected.
func (set *RedisSet) join(ctx context.Context) error {
	masters := set.servers[:set.options.Masters]
	for i, r := range set.servers {
		if _, err := set.ask(r, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
	}
	for i, r := range masters {
		words := []string{"CLUSTER", "ADDSLOTS"}
		for slot := i * slots / len(masters); slot < (i+1)*slots/len(masters); slot++ {
			words = append(words, strconv.Itoa(slot))
		}
		if _, err := set.ask(r, words...); err != nil {
			return err
		}
	}
	for _, r := range set.servers[1:] {
		if _, err := set.ask(set.servers[0], "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(r.port)); err != nil {
			return err
		}
	}
	err := within(ctx, "the servers get to know each other", func() bool {
		return set.all(fmt.Sprintf("cluster_known_nodes:%d\r\n", len(set.servers)), "CLUSTER", "INFO")
	})
	if err != nil {
		return err
	}
	for i, r := range set.servers[len(masters):] {
		id, err := set.ask(masters[i%len(masters)], "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		// A server may have heard of another and not yet shaken its hand.
		err = within(ctx, "a replica follows its master", func() bool {
			_, err := set.ask(r, "CLUSTER", "REPLICATE", id)
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	for _, r := range masters {
		if err := set.awaitReplicas(ctx, r, set.options.Replicas); err != nil {
			return err
		}
	}
	whole := fmt.Sprintf("cluster_size:%d\r\n", len(masters))
	return within(ctx, "the cluster agrees on itself", func() bool {
		if !set.all("cluster_state:ok\r\n", "CLUSTER", "INFO") || !set.all(whole, "CLUSTER", "INFO") {
			return false
		}
		for _, r := range set.servers { // a replica is left out until its offset has gone round
			told, err := set.ask(r, "CLUSTER", "SLOTS")
			if err != nil {
				return false
			}
			for _, other := range set.servers {
				if !strings.Contains(told, fmt.Sprintf("\n%d\n", other.port)) {
					return false
				}
			}
		}
		return true
	})
}

// all says whether every server's answer holds a text.
func (set *RedisSet) all(text string, words ...string) bool {
	for _, r := range set.servers {
		if answer, err := set.ask(r, words...); err != nil || !strings.Contains(answer, text) {
			return false
		}
	}
	return true
}

// awaitReplicas waits until so many replicas of a server are online and have acknowledged something: until its first
// acknowledgement, up to a second later, a replica that was just filled gets nothing more.
func (set *RedisSet) awaitReplicas(ctx context.Context, r *redisServer, n int) error {
	return within(ctx, fmt.Sprintf("the replicas of %s are connected", r.name), func() bool {
		info, err := set.ask(r, "INFO", "replication")
		return err == nil && strings.Count(info, ",state=online,") == n && !strings.Contains(info, ",offset=0,")
	})
}

// ask sends one command to a server and returns its answer: a string, a number, or the lines of a list. The protocol is spoken by hand, so that
// the sandbox needs no driver.
func (set *RedisSet) ask(r *redisServer, words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp4", r.address(), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	in := bufio.NewReader(conn)
	if set.password != "" {
		if _, err := exchange(conn, in, "AUTH", set.password); err != nil {
			return "", err
		}
	}
	answer, err := exchange(conn, in, words...)
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", r.name, strings.Join(words[:min(2, len(words))], " "), err)
	}
	return answer, nil
}

func exchange(out io.Writer, in *bufio.Reader, words ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return "", err
	}
	return answer(in)
}

func answer(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	kind, rest := line[:min(1, len(line))], line[min(1, len(line)):]
	n, err := strconv.Atoi(rest)
	switch {
	case kind == "+" || kind == ":":
		return rest, nil
	case kind == "-":
		return "", errors.New(rest)
	case kind == "$" && err == nil && n >= 0:
		body := make([]byte, n+2)
		if _, err := io.ReadFull(in, body); err != nil {
			return "", err
		}
		return string(body[:n]), nil
	case kind == "*" && err == nil && n >= 0:
		all := ""
		for range n {
			one, err := answer(in)
			if err != nil {
				return "", err
			}
			all += one + "\n"
		}
		return all, nil
	}
	return "", fmt.Errorf("the answer begins with %q", line)
}
