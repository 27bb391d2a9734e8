package reference

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const serveEnv = "REFERENCE_TEST_SERVE" // set to "POSTGRES_URL REDIS_URL": be a reference ARQ until standard input ends

func serveForBenchmark() {
	postgres, redis, _ := strings.Cut(os.Getenv(serveEnv), " ")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	err := Run(ctx, Config{Listen: "127.0.0.1:0", PostgresURL: postgres, RedisURL: redis, Username: testUser, Password: testPassword},
		func(url string) { fmt.Println(url) })
	if err != nil {
		fmt.Println(err)
	}
}

// BenchmarkRequest reports the processor time that one request of the UAT mix (1 login, 3 dialogues, 7 messages) costs
// the server's own process, which is one of its own here: at the UAT's rate, where much of it is waking up from idleness,
// and as fast as 32 clients can.
func BenchmarkRequest(b *testing.B) {
	b.Run("1100 a second", func(b *testing.B) { benchmarkRequest(b, time.Second/1100) })
	b.Run("unpaced", func(b *testing.B) { benchmarkRequest(b, 0) })
}

func benchmarkRequest(b *testing.B, interval time.Duration) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+backends.PostgresURL()+" "+backends.RedisURL())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	a := serve(b, nil) // for its client
	if _, err := fmt.Fscanln(stdout, &a.url); err != nil {
		b.Fatal(err)
	}
	token := a.login()
	dialogue := a.dialogue(token)
	requests := make(chan int, 100)
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for i := range requests {
				status, want := 0, 201
				switch i % 11 {
				case 0:
					want = 200
					status, _, _ = a.send(b.Context(), "POST", "/api/auth/token", "", loginBody(testPassword))
				case 1, 2, 3:
					status, _, _ = a.send(b.Context(), "POST", "/api/dialogues", token, `{"initial_message": "Production UAT test"}`)
				default:
					status, _, _ = a.send(b.Context(), "POST", "/api/dialogues/"+dialogue+"/messages", token, `{"message": "Test message"}`)
				}
				if status != want {
					b.Errorf("status %d, want %d", status, want)
				}
			}
		})
	}
	before := processorTime(b, cmd.Process.Pid)
	begin, n := time.Now(), 0
	for b.Loop() {
		time.Sleep(time.Until(begin.Add(time.Duration(n) * interval)))
		requests <- n
		n++
	}
	close(requests)
	clients.Wait()
	used := processorTime(b, cmd.Process.Pid) - before
	b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-µs/request")
}

// processorTime is user plus system time, in ticks of 10 ms, from fields 14 and 15 of /proc/PID/stat.
func processorTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("no /proc here")
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
