package pgstat

import (
	"regexp"
	"strings"
)

// textLimit is how much of a statement's text is kept, in bytes.
const textLimit = 2000

// plain are the first words of statements whose constants the server has replaced by $1.
var plain = map[string]bool{"select": true, "insert": true, "update": true, "delete": true, "merge": true, "with": true, "values": true, "table": true}

// twoWords are utility statements that one word does not tell apart.
var twoWords = map[string]bool{"prepare": true, "create": true, "alter": true, "drop": true, "refresh": true, "commit": true, "rollback": true}

// redact makes a statement's text safe to keep: comments are dropped (they may hold a
// user's data), string constants that the server left in place become '?', and of a utility
// statement, whose constants the server keeps, only the first words are left: CREATE ROLE
// ... PASSWORD 'secret' is "CREATE ROLE".
func redact(text string) string {
	text = strings.TrimSpace(space.ReplaceAllString(constants(text), " "))
	words := strings.Fields(strings.TrimLeft(text, "( "))
	if len(words) == 0 {
		return ""
	}
	first := strings.ToLower(strings.TrimRight(words[0], ";"))
	if plain[first] {
		return cut(text)
	}
	kept := keyword.FindString(words[0])
	if twoWords[first] && len(words) > 1 {
		if second := keyword.FindString(words[1]); second == strings.TrimRight(words[1], ";") && known[strings.ToLower(second)] {
			kept += " " + second
		}
	}
	return strings.ToUpper(kept)
}

// known are the second words that redact keeps; any other word is a name.
var known = map[string]bool{"transaction": true, "prepared": true, "table": true, "index": true, "role": true, "user": true,
	"view": true, "materialized": true, "temp": true, "temporary": true, "schema": true, "database": true, "extension": true,
	"function": true, "to": true}

var (
	space   = regexp.MustCompile(`\s+`)
	keyword = regexp.MustCompile(`^[A-Za-z]+`)
	dollar  = regexp.MustCompile(`^\$([A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$`)
)

// constants drops comments and replaces string constants, by PostgreSQL's lexical rules:
// ” and (in E”) backslashes inside strings, $tag$ strings, nested comments.
func constants(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "--"):
			end := strings.IndexByte(s[i:], '\n')
			if end < 0 {
				return b.String()
			}
			i += end
		case strings.HasPrefix(s[i:], "/*"):
			i = commentEnd(s, i)
			b.WriteByte(' ')
		case s[i] == '\'':
			escapes := i > 0 && (s[i-1] == 'e' || s[i-1] == 'E')
			i = quoteEnd(s, i, escapes)
			b.WriteString("'?'")
		case s[i] == '"':
			end := quoteEnd(s, i, false)
			b.WriteString(s[i:end])
			i = end
		case s[i] == '$' && dollar.MatchString(s[i:]) && (i == 0 || !wordByte(s[i-1])):
			tag := dollar.FindString(s[i:])
			end := strings.Index(s[i+len(tag):], tag)
			if end < 0 {
				b.WriteString("'?'")
				return b.String()
			}
			i += len(tag) + end + len(tag)
			b.WriteString("'?'")
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

func wordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// quoteEnd is the index after the string or name that begins at i; an open one ends with s.
func quoteEnd(s string, i int, escapes bool) int {
	quote := s[i]
	for j := i + 1; j < len(s); j++ {
		switch {
		case escapes && s[j] == '\\':
			j++
		case s[j] == quote && j+1 < len(s) && s[j+1] == quote:
			j++
		case s[j] == quote:
			return j + 1
		}
	}
	return len(s)
}

// commentEnd is the index after the comment that begins at i; comments nest.
func commentEnd(s string, i int) int {
	depth := 0
	for j := i; j < len(s)-1; j++ {
		switch s[j : j+2] {
		case "/*":
			depth++
			j++
		case "*/":
			depth--
			j++
			if depth == 0 {
				return j + 1
			}
		}
	}
	return len(s)
}

// cut shortens s to textLimit without splitting a character.
func cut(s string) string {
	if len(s) <= textLimit {
		return s
	}
	return strings.ToValidUTF8(s[:textLimit], "") + " ..."
}
