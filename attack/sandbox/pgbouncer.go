package sandbox

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// SIGTERM is PgBouncer's immediate shutdown; SIGINT would wait for its clients.
var pgbouncerStop = []stopStep{{syscall.SIGTERM, 5 * time.Second}}

// startPgBouncer puts the pooler in front of the primary. It knows the superuser from a file; other roles of the primary
// it looks up there, as that superuser.
func (s *Sandbox) startPgBouncer(ctx context.Context, bin string) error {
	dir, err := s.folder.mkdir("pgbouncer", s.account)
	if err != nil {
		return err
	}
	u, err := url.Parse(s.postgresURL)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	if _, err := s.folder.writeFile("pgbouncer/users", fmt.Sprintf("%q %q\n", pgName, password), s.account); err != nil {
		return err
	}
	return onFreePort(func(port int) error {
		config, err := s.folder.writeFile("pgbouncer/config.ini", pgbouncerConfig(dir, port, s.postgres.port), s.account)
		if err != nil {
			return err
		}
		p, err := s.spawn(syscall.SIGKILL, dir, bin, config)
		if err != nil {
			return err
		}
		if err := p.waitReady(ctx, func() bool { return p.logs("process up: ") }); err != nil {
			return s.discard(p, err, pgbouncerStop)
		}
		u.Host = loopback(port)
		s.pgbouncer, s.pgbouncerURL = p, u.String()
		return nil
	})
}

// pgbouncerConfig keeps PgBouncer's defaults where they decide what a client may do: which startup parameters are refused,
// and, by its version, whether prepared statements work.
func pgbouncerConfig(dir string, port, primary int) string {
	return `[databases]
* = host=127.0.0.1 port=` + strconv.Itoa(primary) + ` auth_user=` + pgName + `
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ` + strconv.Itoa(port) + `
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ` + dir + `/users
admin_users = ` + pgName + `
pool_mode = transaction
default_pool_size = 10
`
}

// PgBouncerURL is the address of database arq through the pooler, "" if not asked for. Its other databases are there too,
// and "pgbouncer", the pooler's own for SHOW.
func (s *Sandbox) PgBouncerURL() string { return s.pgbouncerURL }
