package attack

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"arqload/scenarios"
)

const (
	answerRead = 8 << 10 // bytes of a failed answer that are looked at
	answerKept = 512     // bytes of it that are kept
)

// bearing finds values that are secret by their place, whoever made them: JWTs, what
// follows "Bearer" or "Basic", and JSON or form fields named like a secret.
var bearing = regexp.MustCompile(
	`eyJ[\w-]+\.[\w-]+\.[\w-]*` +
		`|(?i:(?:bearer|basic)\s+)[\w.~+/=-]+` +
		`|(?i:["']?[\w-]*(?:password|passwd|secret|token|authorization|api[_-]?key|cookie)["']?\s*[:=]\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}"']+)`)

// scrubber removes secrets from text that will be kept. It knows the plan's secrets and
// every token that sessions hold; what an arrival captured is passed with each call.
type scrubber struct {
	mu    sync.RWMutex
	known map[string]struct{}
}

func newScrubber(p *scenarios.Plan) *scrubber {
	s := &scrubber{known: map[string]struct{}{}}
	s.add(p.Secrets()...)
	return s
}

// add makes values known, in each form in which a server may echo them.
func (s *scrubber) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		for _, f := range forms(v) {
			s.known[f] = struct{}{}
		}
	}
}

// forms returns a secret as it is, and as JSON, URLs and base64 write it. Values too
// short to be a secret are left out: replacing every "a" would only garble the text.
func forms(v string) []string {
	if len(v) < 4 {
		return nil
	}
	quoted, _ := json.Marshal(v)
	return []string{v, strings.Trim(string(quoted), `"`), url.QueryEscape(v), url.PathEscape(v),
		base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v))}
}

// clean returns text without any known secret, any of also, or anything that looks like one.
func (s *scrubber) clean(text string, also ...string) string {
	s.mu.RLock()
	for k := range s.known {
		text = strings.ReplaceAll(text, k, scenarios.Redacted)
	}
	s.mu.RUnlock()
	for _, v := range also {
		for _, f := range forms(v) {
			text = strings.ReplaceAll(text, f, scenarios.Redacted)
		}
	}
	return bearing.ReplaceAllStringFunc(text, func(m string) string {
		// Keep the field's name, so that a reader sees what stood there.
		if i := strings.IndexAny(m, ":= \t"); i >= 0 && !strings.HasPrefix(m, "eyJ") {
			return m[:i+1] + scenarios.Redacted
		}
		return scenarios.Redacted
	})
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
