package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakePath finds the names given and nothing else.
func fakePath(names ...string) func(string) (string, error) {
	return func(name string) (string, error) {
		if slices.Contains(names, name) {
			return "/path/" + name, nil
		}
		return "", exec.ErrNotFound
	}
}

func TestMissingProgramsAreNamedWithTheirInstallCommand(t *testing.T) {
	for _, c := range []struct {
		path []string
		root bool
		want MissingError
	}{
		{[]string{"apt-get"}, true, MissingError{[]string{"initdb", "postgres", "redis-server"}, "apt-get install -y postgresql redis-server"}},
		{[]string{"apt-get", "initdb", "postgres"}, false, MissingError{[]string{"redis-server"}, "sudo apt-get install -y redis-server"}},
		{[]string{"dnf", "redis-server", "postgres"}, false, MissingError{[]string{"initdb", "postgres"}, "sudo dnf install -y postgresql-server postgresql-contrib"}},
		{[]string{"brew"}, false, MissingError{[]string{"initdb", "postgres", "redis-server"}, "brew install postgresql@17 redis"}},
		{nil, true, MissingError{[]string{"initdb", "postgres", "redis-server"}, "apt-get install -y postgresql redis-server"}},
	} {
		_, err := search{lookPath: fakePath(c.path...), root: c.root}.find(true, true)
		var missing *MissingError
		if !errors.As(err, &missing) || !slices.Equal(missing.Programs, c.want.Programs) || missing.Install != c.want.Install {
			t.Errorf("with %v: %v, want %v", c.path, err, &c.want)
		}
	}
}

func TestMissingClientIsNamedWithItsInstallCommand(t *testing.T) {
	for name, want := range map[string]string{"pgbouncer": "apt-get install -y pgbouncer", "pgbench": "apt-get install -y postgresql"} {
		_, err := search{lookPath: fakePath("apt-get"), root: true}.program(name)
		var missing *MissingError
		if !errors.As(err, &missing) || !slices.Equal(missing.Programs, []string{name}) || missing.Install != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// Debian's /usr/bin/pgbench is a wrapper, and its pgbouncer is where an ordinary user's PATH does not lead.
func TestClientsAreFoundBesideServersThenInPathThenInSbin(t *testing.T) {
	dir := t.TempDir()
	bin(t, dir, "13", "pgbench")
	bin(t, dir, "17", "psql")
	s := search{folder: bin(t, dir, "named"), globs: []string{dir + "/*/bin"}, lookPath: fakePath("pgbench", "pg_dump", "/usr/sbin/pgbouncer")}
	for name, want := range map[string]string{
		"pgbench": dir + "/13/bin/pgbench", "pg_dump": "/path/pg_dump", "pgbouncer": "/path//usr/sbin/pgbouncer",
	} {
		if got, err := s.program(name); err != nil || got != want {
			t.Errorf("%s: found %q (%v), want %q", name, got, err, want)
		}
	}
}

// bin makes DIR/VERSION/bin with the programs named.
func bin(t *testing.T, dir, version string, names ...string) string {
	t.Helper()
	folder := filepath.Join(dir, version, "bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestNewestWholePostgresIsPreferredToPath(t *testing.T) {
	dir := t.TempDir()
	bin(t, dir, "9.6", "initdb", "postgres")
	ten := bin(t, dir, "10", "initdb", "postgres")
	bin(t, dir, "18", "postgres") // no initdb: a client package's leftover
	s := search{globs: []string{dir + "/*/bin"}, lookPath: fakePath("initdb", "postgres")}
	if got, err := s.find(true, false); err != nil || got.initdb != ten+"/initdb" || got.postgres != ten+"/postgres" {
		t.Errorf("found %+v (%v), want those in %s", got, err, ten)
	}
	s.globs = nil
	if got, err := s.find(true, false); err != nil || got.initdb != "/path/initdb" {
		t.Errorf("found %+v (%v), want those in PATH", got, err)
	}
}

func TestNamedFolderIsTheOnlyOneLookedInto(t *testing.T) {
	dir := t.TempDir()
	s := search{folder: bin(t, dir, "14", "postgres"), lookPath: fakePath("initdb", "postgres")}
	if _, err := s.find(true, false); err == nil || !strings.Contains(err.Error(), BinEnv) {
		t.Errorf("a folder without initdb: %v, want an error that names %s", err, BinEnv)
	}
	bin(t, dir, "14", "initdb")
	if got, err := s.find(true, false); err != nil || filepath.Dir(got.postgres) != s.folder {
		t.Errorf("found %+v (%v), want those in %s", got, err, s.folder)
	}
}
