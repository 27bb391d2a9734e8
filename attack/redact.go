package attack

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/tidwall/gjson"

	"arqload/scenarios"
)

const (
	answerRead = 8 << 10 // bytes of a failed answer that are looked at
	answerKept = 512     // bytes of it that are kept
	// secretLeast is the least length of a value that is taken for a secret: replacing
	// every "a" would only garble the text.
	secretLeast = 4
)

// bearing finds values that are secret by their place, whoever made them: JWTs, what
// follows "Bearer" or "Basic", and fields named like a secret in JSON (also JSON inside a
// JSON string), forms, headers and XML.
var bearing = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*` +
	`|(?i:(?:bearer|basic)\s+)[\w.~+/=-]+` +
	`|(?i:` + secretName + `\\*["']?\s*[:=]\s*)` + secretValue +
	`|(?i:<` + secretName + `>)[^<]+`)

const (
	secretName  = `[\w-]*(?:password|passwd|pwd|passphrase|secret|token|authorization|api[_-]?key|cookie|session|credential|jwt|\bsid|access|refresh)[\w-]*`
	secretValue = `(?:\\+"(?:[^"\\]|\\[^"])*\\+"|"(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|(?i:(?:bearer|basic|digest)\s+)?[^\s,;&}"'\\]+)`
)

// scrubber removes secrets from text that will be kept. It knows the plan's secrets and
// every token that sessions hold; what an arrival captured is passed with each call.
type scrubber struct {
	mu    sync.Mutex
	known map[string]int // each form of each secret, by how many hold it
	order []string       // known, longest first; nil: to be made
	plain map[string]int // each secret with all escapes undone, likewise
}

func newScrubber(p *scenarios.Plan) *scrubber {
	s := &scrubber{known: map[string]int{}, plain: map[string]int{}}
	s.add(p.Secrets()...)
	if !p.System.Password.IsZero() {
		s.add(p.System.Username + ":" + p.System.Password.Reveal()) // as Basic authentication encodes it
	}
	return s
}

// add makes values known, in each form in which a server may echo them.
func (s *scrubber) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = nil
	for _, v := range values {
		for _, f := range forms(v) {
			s.known[f]++
		}
		s.plain[unescape(v)]++
	}
}

// forget takes back one add of each value.
func (s *scrubber) forget(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = nil
	for _, v := range values {
		for _, f := range forms(v) {
			if s.known[f]--; s.known[f] <= 0 {
				delete(s.known, f)
			}
		}
		if p := unescape(v); s.plain[p] <= 1 {
			delete(s.plain, p)
		} else {
			s.plain[p]--
		}
	}
}

// forms returns a secret as it is, and as JSON (with and without HTML and Unicode
// escapes, also inside a JSON string), HTML, URLs and base64 write it; each once.
func forms(v string) []string {
	if len(v) < secretLeast {
		return nil
	}
	all := []string{v, html.EscapeString(v), hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v))),
		base64.StdEncoding.EncodeToString([]byte(v)), base64.RawStdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v))}
	for _, escaped := range []string{url.QueryEscape(v), url.PathEscape(v)} {
		all = append(all, escaped, percent.ReplaceAllStringFunc(escaped, strings.ToLower))
	}
	for _, once := range []string{jsonText(v, true), jsonText(v, false)} {
		for _, text := range []string{once, ascii(once)} {
			all = append(all, text, jsonText(text, true), jsonText(text, false))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// percent finds an encoded byte of a URL; some write its digits in lower case.
var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// jsonText is a string as JSON writes it, without its quotes.
func jsonText(v string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	_ = e.Encode(v)
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// ascii writes what is not ASCII as JSON's \u escapes.
func ascii(v string) string {
	var b strings.Builder
	for _, r := range v {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

// clean returns text without any known secret, any of also, or anything that looks like
// one. Longer secrets go first, or a shorter one inside would leave the rest standing.
func (s *scrubber) clean(text string, also ...string) string {
	var more []string
	for _, v := range also {
		more = append(more, forms(v)...)
	}
	s.mu.Lock()
	if s.order == nil {
		for f := range s.known {
			s.order = append(s.order, f)
		}
		slices.SortFunc(s.order, longestFirst)
	}
	all := s.order
	s.mu.Unlock()
	if len(more) > 0 {
		all = slices.Concat(all, more)
		slices.SortFunc(all, longestFirst)
	}
	for _, f := range all {
		text = strings.ReplaceAll(text, f, scenarios.Redacted)
	}
	if s.disguised(text, also) {
		return scenarios.Redacted + " (the text held a secret in disguise)"
	}
	return bearing.ReplaceAllStringFunc(text, func(m string) string {
		// Keep the field's name, so that a reader sees what stood there.
		if i := strings.IndexAny(m, ":=> \t"); i >= 0 && !strings.HasPrefix(m, "eyJ") {
			return m[:i+1] + scenarios.Redacted
		}
		return scenarios.Redacted
	})
}

// disguised reports whether a secret still stands in a text, in some spelling that forms
// does not list: escapes of JSON, URLs and HTML can be written in many ways.
func (s *scrubber) disguised(text string, also []string) bool {
	text = unescape(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.plain {
		if len(p) >= secretLeast && strings.Contains(text, p) {
			return true
		}
	}
	for _, v := range also {
		if p := unescape(v); len(v) >= secretLeast && len(p) >= secretLeast && strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// escapes finds one escaped character of JSON (behind any number of backslashes) or of a URL.
var escapes = regexp.MustCompile(`(?i)\\+u([0-9a-f]{4})|%([0-9a-f]{2})|\\+`)

// unescape undoes the escapes of JSON, URLs and HTML, two deep, and leaves backslashes
// out. It is applied to secret and text alike, so what a secret itself looks like does
// not matter.
func unescape(s string) string {
	for range 2 {
		s = escapes.ReplaceAllStringFunc(s, func(m string) string {
			digits := strings.TrimLeft(m, `\%`)
			digits = strings.TrimLeft(digits, "uU")
			n, err := strconv.ParseUint(digits, 16, 32)
			switch {
			case err != nil:
				return "" // backslashes alone
			case m[0] == '%':
				return string([]byte{byte(n)})
			}
			return string(rune(n))
		})
		s = html.UnescapeString(s)
	}
	return s
}

func longestFirst(a, b string) int {
	return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
}

// excerpt returns the beginning of an answer, cleaned first and cut after, so that no
// half of a secret is left standing at the cut.
func (s *scrubber) excerpt(body []byte, also ...string) string {
	text := s.clean(strings.ToValidUTF8(string(body[:min(len(body), answerRead)]), "?"), also...)
	if len(text) <= answerKept {
		return text
	}
	return strings.ToValidUTF8(text[:answerKept], "") + "..."
}

// shape describes an answer that may hold a fresh secret nobody knows yet: the names and
// types of its fields, without their values.
func shape(body []byte) string {
	top := gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) || !top.IsObject() {
		return fmt.Sprintf("(%d bytes that are no JSON object)", len(body))
	}
	var fields []string
	top.ForEach(func(k, v gjson.Result) bool {
		fields = append(fields, fmt.Sprintf("%q: %s", k.String(), strings.ToLower(v.Type.String())))
		return len(fields) < 20
	})
	return "(values left out: this step's answer holds secrets) {" + strings.Join(fields, ", ") + "}"
}
