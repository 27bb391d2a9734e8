package sandbox

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
)

// ClientCommand is a client program of PostgreSQL's, such as pgbench or psql, on its way to the server at address, a URL
// of [Sandbox]. The caller adds where the output goes and runs it; it is killed when the context ends. The address is in
// the environment, because arguments, and a password among them, are visible to everybody on the machine.
//
// The error is a *[MissingError] when the program is not installed.
func ClientCommand(ctx context.Context, address, program string, args ...string) (*exec.Cmd, error) {
	path, err := Program(program)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: the server's address is no URL", program) // url's own error holds the password
	}
	password, _ := u.User.Password()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(),
		"PGPASSWORD="+password, "PGDATABASE="+strings.TrimPrefix(u.Path, "/"), "PGSSLMODE=disable")
	return cmd, nil
}
