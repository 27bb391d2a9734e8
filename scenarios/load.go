package scenarios

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Option changes how a plan is read.
type Option func(*reader)

// Files makes ${file:path} read through read instead of from the disk.
func Files(read func(path string) ([]byte, error)) Option {
	return func(r *reader) { r.readFile = read }
}

// Offline reads a plan to judge by, not to run: a variable or file that is not there stands
// as [redacted], since neither the system's address nor its secrets are needed.
func Offline() Option {
	return func(r *reader) { r.offline = true }
}

// Load reads the plan in the file path, with ${NAME} from the environment and ${file:path}
// relative to the working directory. Where the plan has mistakes the error is a
// [*PlanError] with all of them, and there is no plan.
func Load(path string, opts ...Option) (*Plan, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	return Parse(path, src, os.LookupEnv, opts...)
}

// Parse reads a plan from src. name is the file's name in problems, and env looks up
// environment variables; nil has none. See [Load].
func Parse(name string, src []byte, env func(string) (string, bool), opts ...Option) (*Plan, error) {
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	r := &reader{file: name, env: env, readFile: readSecretFile}
	for _, opt := range opts {
		opt(r)
	}
	var p *Plan
	if root, ok := r.parseTree(src); ok {
		p = r.plan(root)
	}
	if len(r.problems) > 0 {
		return nil, newPlanError(r.problems)
	}
	if p.Arrivals.Process == Poisson && !r.seeded {
		p.Arrivals.Seed = p.seed()
	}
	return p, nil
}

// maxSecretFile bounds ${file:...}: a device that never ends is no secret.
const maxSecretFile = 1 << 20

func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err == nil && len(content) > maxSecretFile {
		err = fmt.Errorf("it has more than %d bytes", maxSecretFile)
	}
	return content, err
}

// seed derives the seed of a Poisson plan that gives none: the same plan makes the same
// arrivals, and the saved plan records with which.
func (p *Plan) seed() uint64 {
	sum, _ := hex.DecodeString(p.Hash()) // Seed is 0 here
	return binary.BigEndian.Uint64(sum)
}
