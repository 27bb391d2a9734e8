package reference

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const defaultConns = 20 // of the pool, unless the URL sets pool_max_conns

// The advisory lock lets two servers start at once: CREATE TABLE IF NOT EXISTS alone can collide.
// Messages reference their dialogue without a foreign key: its check would lock the dialogue's row for every message,
// and a few hundred sessions under load would measure that lock. Dialogues are never deleted.
const schema = `
SELECT pg_advisory_xact_lock(7417102);
CREATE TABLE IF NOT EXISTS users (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	username text NOT NULL UNIQUE,
	credential text NOT NULL);
CREATE TABLE IF NOT EXISTS dialogues (
	id uuid PRIMARY KEY,
	user_id bigint NOT NULL REFERENCES users,
	created_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
	id uuid PRIMARY KEY,
	dialogue_id uuid NOT NULL,
	body text NOT NULL,
	reply text NOT NULL,
	created_at timestamptz NOT NULL);
CREATE INDEX IF NOT EXISTS messages_dialogue_id ON messages (dialogue_id);`

// A statement is counted by its name. Its text has parameters for all values, so that pg_stat_statements keeps it as it
// is written here.
type statement struct{ name, sql string }

var (
	upsertUser = statement{"upsert_user", `INSERT INTO users (username, credential) VALUES ($1, $2)
	ON CONFLICT (username) DO UPDATE SET credential = excluded.credential`}
	selectUser     = statement{"select_user", `SELECT id, credential FROM users WHERE username = $1`}
	selectDialogue = statement{"select_dialogue", `SELECT user_id FROM dialogues WHERE id = $1`}
	insertDialogue = statement{"insert_dialogue", `WITH dialogue AS (
	INSERT INTO dialogues (id, user_id, created_at) VALUES ($1, $2, $3))
	INSERT INTO messages (id, dialogue_id, body, reply, created_at) VALUES ($4, $1, $5, $6, $3)`}
	insertMessage = statement{"insert_message",
		`INSERT INTO messages (id, dialogue_id, body, reply, created_at) VALUES ($1, $2, $3, $4, $5)`}
	slowQuery = statement{"slow_query", `SELECT pg_sleep($1)`}
)

func statements() []statement {
	return []statement{upsertUser, selectUser, selectDialogue, insertDialogue, insertMessage, slowQuery}
}

// A store keeps users, dialogues and messages in PostgreSQL and counts the statements it executes.
type store struct {
	pool   *pgxpool.Pool
	record *recorder
}

func openStore(ctx context.Context, url string, r *recorder) (*store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = defaultConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, schema, pgx.QueryExecModeSimpleProtocol); err != nil {
		pool.Close()
		return nil, err
	}
	return &store{pool: pool, record: r}, nil
}

func (s *store) close() { s.pool.Close() }

func (s *store) ping(ctx context.Context) error { return s.pool.Ping(ctx) }

func (s *store) exec(ctx context.Context, st statement, args ...any) error {
	_, err := s.pool.Exec(ctx, st.sql, args...)
	s.record.statement(st.name, err)
	return err
}

// queryRow says whether there was a row; no row is an executed statement, not an error.
func (s *store) queryRow(ctx context.Context, st statement, arg any, into ...any) (found bool, err error) {
	err = s.pool.QueryRow(ctx, st.sql, arg).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		s.record.statement(st.name, nil)
		return false, nil
	}
	s.record.statement(st.name, err)
	return err == nil, err
}

func (s *store) upsertUser(ctx context.Context, username string, c credential) error {
	return s.exec(ctx, upsertUser, username, c.String())
}

func (s *store) user(ctx context.Context, username string) (u user, found bool, err error) {
	var text string
	if found, err = s.queryRow(ctx, selectUser, username, &u.id, &text); !found {
		return user{}, false, err
	}
	u.credential, err = parseCredential(text)
	return u, err == nil, err
}

func (s *store) dialogueOwner(ctx context.Context, dialogue id) (userID int64, found bool, err error) {
	found, err = s.queryRow(ctx, selectDialogue, [16]byte(dialogue), &userID)
	return userID, found, err
}

// insertDialogue writes the dialogue and its first message in one statement, hence in one transaction.
func (s *store) insertDialogue(ctx context.Context, userID int64, dialogue id, first message) error {
	err := s.exec(ctx, insertDialogue, [16]byte(dialogue), userID, first.at, [16]byte(first.id), first.body, first.reply)
	if err == nil {
		s.record.rows("dialogues", "messages")
	}
	return err
}

func (s *store) insertMessage(ctx context.Context, dialogue id, m message) error {
	err := s.exec(ctx, insertMessage, [16]byte(m.id), [16]byte(dialogue), m.body, m.reply, m.at)
	if err == nil {
		s.record.rows("messages")
	}
	return err
}

func (s *store) sleep(ctx context.Context, d time.Duration) error {
	return s.exec(ctx, slowQuery, d.Seconds())
}

type user struct {
	id         int64
	credential credential
}

type message struct {
	id          id
	body, reply string
	at          time.Time
}
