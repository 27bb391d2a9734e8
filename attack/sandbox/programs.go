package sandbox

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// BinEnv names the environment variable that says in which folder initdb and postgres stand.
const BinEnv = "ARQLOAD_POSTGRES_BIN"

// A MissingError names the programs that are not installed and the one command that installs them on this system.
type MissingError struct {
	Programs []string
	Install  string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("sandbox: not installed: %s; install with: %s", strings.Join(e.Programs, ", "), e.Install)
}

// programs are the paths of what was found.
type programs struct{ initdb, postgres, redis string }

// A search says where to look.
type search struct {
	folder   string   // look for PostgreSQL's server nowhere else
	globs    []string // folders in which distributions keep initdb and postgres outside PATH
	lookPath func(string) (string, error)
	root     bool // whether commands need no sudo
}

// defaultSearch looks on this machine, for PostgreSQL's server in bin, else in BinEnv's folder, else everywhere.
func defaultSearch(bin string) search {
	return search{
		folder: cmp.Or(bin, os.Getenv(BinEnv)),
		globs: []string{
			"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
			"/usr/pgsql-*/bin",                     // PostgreSQL's own RPMs
			"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on ARM
			"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
			"/opt/local/lib/postgresql[0-9]*/bin/", // MacPorts
		},
		lookPath: exec.LookPath,
		root:     os.Geteuid() == 0,
	}
}

func (s search) find(postgres, redis bool) (programs, error) {
	var found programs
	var missing []string
	if postgres {
		var ok bool
		if found.initdb, found.postgres, ok = s.postgres(); !ok {
			if s.folder != "" {
				return programs{}, fmt.Errorf("sandbox: %s (from Options.PostgresBin or %s): initdb and postgres are not both there", s.folder, BinEnv)
			}
			missing = append(missing, "initdb", "postgres")
		}
	}
	if redis {
		var err error
		if found.redis, err = s.lookPath("redis-server"); err != nil {
			missing = append(missing, "redis-server")
		}
	}
	if len(missing) > 0 {
		return programs{}, &MissingError{Programs: missing, Install: s.installCommand(missing)}
	}
	return found, nil
}

// postgres prefers a folder that holds both programs to PATH, where a wrapper or another version's link may come first.
func (s search) postgres() (initdb, postgres string, ok bool) {
	folders := []string{s.folder}
	if s.folder == "" {
		folders = nil
		for _, glob := range s.globs {
			dirs, _ := filepath.Glob(glob) // the patterns are constants
			folders = append(folders, dirs...)
		}
		slices.SortStableFunc(folders, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	}
	for _, dir := range folders {
		initdb, postgres = filepath.Join(dir, "initdb"), filepath.Join(dir, "postgres")
		if executable(initdb) && executable(postgres) {
			return initdb, postgres, true
		}
	}
	if s.folder != "" {
		return "", "", false
	}
	initdb, err := s.lookPath("initdb")
	if err != nil {
		return "", "", false
	}
	postgres, err = s.lookPath("postgres")
	return initdb, postgres, err == nil
}

// version is the number in the name of the folder above bin: 15 in /usr/lib/postgresql/15/bin, 17 in postgresql@17/bin.
// MacPorts' 96 for 9.6 is sorted wrongly.
func version(dir string) float64 {
	digits := regexp.MustCompile(`[0-9]+(\.[0-9]+)?$`).FindString(filepath.Base(filepath.Dir(filepath.Clean(dir))))
	v, _ := strconv.ParseFloat(digits, 64) // no number sorts last
	return v
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// installCommand is for the package manager that is there; Debian's when there is none we know.
func (s search) installCommand(missing []string) string {
	managers := []struct {
		program, command string
		sudo             bool
		postgres, redis  string
	}{
		{"apt-get", "apt-get install -y", true, "postgresql", "redis-server"},
		{"dnf", "dnf install -y", true, "postgresql-server postgresql-contrib", "redis"},
		{"brew", "brew install", false, "postgresql@17", "redis"},
	}
	use := managers[0]
	for _, m := range managers {
		if _, err := s.lookPath(m.program); err == nil {
			use = m
			break
		}
	}
	words := []string{use.command}
	if use.sudo && !s.root {
		words = []string{"sudo", use.command}
	}
	if slices.Contains(missing, "postgres") {
		words = append(words, use.postgres)
	}
	if slices.Contains(missing, "redis-server") {
		words = append(words, use.redis)
	}
	return strings.Join(words, " ")
}

func baseName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".exe") }
