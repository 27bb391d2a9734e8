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
type programs struct{ initdb, postgres, redis, pgbouncer string }

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

// Program finds a program that goes with PostgreSQL and is newer or older than the server without harm: a client, such as
// pgbench or psql, or pgbouncer. The newest in the distributions' folders comes first, because what PATH has may be a
// wrapper; /usr/sbin comes last, which PATH may lack. The error is a *[MissingError].
func Program(name string) (string, error) { return defaultSearch("").program(name) }

func (s search) program(name string) (string, error) {
	for _, dir := range s.newestFirst() {
		if path := filepath.Join(dir, name); executable(path) {
			return path, nil
		}
	}
	for _, file := range []string{name, "/usr/sbin/" + name} {
		if path, err := s.lookPath(file); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Programs: []string{name}, Install: s.installCommand([]string{name})}
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
		folders = s.newestFirst()
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

// newestFirst are the distributions' folders that exist.
func (s search) newestFirst() []string {
	var folders []string
	for _, glob := range s.globs {
		dirs, _ := filepath.Glob(glob) // the patterns are constants
		folders = append(folders, dirs...)
	}
	slices.SortStableFunc(folders, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return folders
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
		clients          string // psql, pgbench
	}{
		{"apt-get", "apt-get install -y", true, "postgresql", "redis-server", "postgresql"},
		{"dnf", "dnf install -y", true, "postgresql-server postgresql-contrib", "redis", "postgresql postgresql-contrib"},
		{"brew", "brew install", false, "postgresql@17", "redis", "postgresql@17"},
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
	if slices.Contains(missing, "pgbouncer") {
		words = append(words, "pgbouncer")
	}
	if slices.Contains(missing, "psql") || slices.Contains(missing, "pgbench") {
		words = append(words, use.clients)
	}
	return strings.Join(words, " ")
}

func baseName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".exe") }
