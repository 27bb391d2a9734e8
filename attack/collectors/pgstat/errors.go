package pgstat

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// explained is an error that says where it happened and what to do, without a password.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// SQLSTATE codes that have a remedy.
const (
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	unknownDatabase      = "3D000"
	insufficientRights   = "42501"
	tooManyConnections   = "53300"
	notInReadyState      = "55000" // pg_stat_statements is not loaded
	undefinedTable       = "42P01"
	undefinedFunction    = "42883"
	protocolViolation    = "08P01" // a pooler refuses a startup parameter
)

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// explain adds what to do about an error, and takes out the password, which no error is
// known to hold.
func (l *link) explain(err error) error {
	hint := ""
	switch code(err) {
	case invalidPassword, invalidAuthorization:
		hint = "check user and password in the address"
	case unknownDatabase:
		hint = "the address must name the application's database"
	case insufficientRights:
		hint = "let an administrator run GRANT pg_read_all_stats TO " + pgx.Identifier{l.config.User}.Sanitize()
	case tooManyConnections:
		hint = "the server has no connection left; raise max_connections or free some"
	case notInReadyState:
		hint = "set shared_preload_libraries = 'pg_stat_statements' and restart the server"
	case undefinedTable, undefinedFunction:
		hint = "run CREATE EXTENSION pg_stat_statements in this database"
	default:
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			hint = "is PostgreSQL running there, and reachable from here?"
		} else if errors.Is(err, context.DeadlineExceeded) {
			hint = "no answer in time"
		}
	}
	// pgx breaks the line for each address it tried.
	text := strings.Join(strings.Fields(err.Error()), " ")
	if hint != "" {
		text += " (" + hint + ")"
	}
	if l.config.Password != "" {
		text = strings.ReplaceAll(text, l.config.Password, "[password]")
	}
	return &explained{text: text, err: err}
}
