package pgstat

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRedact(t *testing.T) {
	for _, c := range [][2]string{
		{"select a from t where b = $1", "select a from t where b = $1"},
		{"  SELECT\n a,\t$2 from t", "SELECT a, $2 from t"},
		{"(select 1) union (select $1)", "(select 1) union (select $1)"},
		{"select 'secret', E'se\\'cret', 'it''s secret', $1", "select '?', E'?', '?', $1"},
		{"select $tag$secret$tag$, $$secret$$, $1, a$b$", "select '?', '?', $1, a$b$"},
		{`select "Name""s", "a'b" from t -- secret`, `select "Name""s", "a'b" from t`},
		{"/* secret /* nested */ secret */ select 1", "select 1"},
		{"select 1 /* open secret", "select 1"},
		{"select 'open secret", "select '?'"},
		{"select $$open secret", "select '?'"},
		{"CREATE ROLE x PASSWORD 'secret'", "CREATE ROLE"},
		{"alter user secret set x = secret", "ALTER USER"},
		{"set app.token to secret", "SET"},
		{"BEGIN;", "BEGIN"},
		{"commit;", "COMMIT"},
		{"commit prepared 'secret'", "COMMIT PREPARED"},
		{"prepare secret as select 1", "PREPARE"},
		{"prepare transaction 'x'", "PREPARE TRANSACTION"},
		{"rollback to savepoint secret", "ROLLBACK TO"},
		{"COPY secret FROM PROGRAM 'secret'", "COPY"},
		{"call secret($1)", "CALL"},
		{"", ""},
		{"-- only a comment", ""},
	} {
		if got := redact(c[0]); got != c[1] {
			t.Errorf("redact(%q) = %q, want %q", c[0], got, c[1])
		}
	}
	long := "select " + strings.Repeat("é", textLimit)
	if got := redact(long); len(got) > textLimit+4 || !utf8.ValidString(got) {
		t.Errorf("a long text became %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

// A string constant never survives, wherever it stands.
func FuzzRedact(f *testing.F) {
	for _, s := range []string{"select ", "select E'a\\\\' || ", "select $x$ a $x$, ", "/*/* */*/ select ", `select "a" `, "create user x ", "((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, prefix string) {
		text := prefix + " 'planted' "
		got := redact(text)
		if strings.Contains(got, "planted") && strings.Count(prefix, `"`) == 0 && strings.Count(prefix, "'") == 0 && !strings.Contains(prefix, "planted") {
			t.Errorf("redact(%q) = %q", text, got)
		}
	})
}
