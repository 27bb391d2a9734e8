package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"arqload/scenarios"
)

func emptyScrubber() *scrubber { return newScrubber(&scenarios.Plan{}) }

func TestASecretIsFoundInEveryFormInWhichItIsEchoed(t *testing.T) {
	for _, secret := range []string{`pa&ss"word1`, `pässwörd9`, `a\b/c%20d`, `<tag>&amp;`, `emoji😀pass`} {
		s := emptyScrubber()
		s.add(secret)
		quoted, _ := json.Marshal(secret)
		for form, text := range map[string]string{
			"plain": secret, "JSON": string(quoted), "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
			"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "JSON without HTML escapes": jsonText(secret, false),
			"ASCII JSON": ascii(jsonText(secret, false)), "HTML": html.EscapeString(secret),
			"lower-case percent":    percent.ReplaceAllStringFunc(url.QueryEscape(secret), strings.ToLower),
			"JSON in a JSON string": jsonText(jsonText(secret, true), true),
		} {
			got := s.clean("you sent: " + text + " today")
			if strings.Contains(got, strings.Trim(text, `"`)) || !strings.Contains(got, scenarios.Redacted) {
				t.Errorf("%q as %s: %q", secret, form, got)
			}
		}
	}
}

func TestWhatIsNamedLikeASecretIsRemovedWhoeverMadeIt(t *testing.T) {
	for _, text := range []string{
		`{"access_token":"HIDDEN"}`, `{"jwt":"HIDDEN"}`, `{"session": "HIDDEN"}`, `{"sid":"HIDDEN"}`, `{"pwd":"HIDDEN"}`, `{"credential":"HIDDEN"}`,
		`{"error":"{\"access_token\":\"HIDDEN\"}"}`, `{"token":["HIDDEN"]}`, `{"token":{"value":"HIDDEN"}}`, `<password>HIDDEN</password>`,
		`password=HIDDEN&user=u`, `Authorization: Bearer HIDDEN`, `Cookie: HIDDEN`, `bearer HIDDEN`, `eyJhbGciOi.HIDDEN.x`,
	} {
		if got := emptyScrubber().clean(text); strings.Contains(got, "HIDDEN") {
			t.Errorf("%s became %s", text, got)
		}
	}
	for _, text := range []string{`{"error":"no such dialogue"}`, `upstream connect error`, `status 503: overloaded`} {
		if got := emptyScrubber().clean(text); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
}

func TestASecretInsideALongerOneLeavesNoRest(t *testing.T) {
	for range 50 {
		s := emptyScrubber()
		s.add("abcd", "xx-abcd-rest", "rest")
		if got := s.clean("it is xx-abcd-rest."); got != "it is [redacted]." {
			t.Fatalf("%q", got)
		}
	}
}

func TestForgottenTokensLeaveNothingBehind(t *testing.T) {
	s := emptyScrubber()
	for i := range 1000 {
		s.add(fmt.Sprintf("token-number-%d", i))
		if i > 0 {
			s.forget(fmt.Sprintf("token-number-%d", i-1))
		}
	}
	if len(s.known) > 10 {
		t.Errorf("%d forms are known of one living token", len(s.known))
	}
	s.add("token-number-999") // two sessions hold it
	s.forget("token-number-999")
	if got := s.clean("token-number-999"); got != scenarios.Redacted {
		t.Errorf("a token that one session still holds became %q", got)
	}
}

func TestAnExcerptNeverHoldsAPartOfASecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9]{12,40}`).Draw(t, "secret")
		body := strings.Repeat("x", rapid.IntRange(0, 600).Draw(t, "before")) + secret + strings.Repeat("y", 100)
		s := emptyScrubber()
		s.add(secret)
		if got := s.excerpt([]byte(body)); strings.Contains(got, secret[:6]) {
			t.Fatalf("the excerpt holds a part of %s: %s", secret, got)
		}
	})
}

func TestTheShapeOfAnAnswerHasNoValues(t *testing.T) {
	got := shape([]byte(`{"jwt":"HIDDEN","n":1,"error":"HIDDEN too"}`))
	if strings.Contains(got, "HIDDEN") || !strings.Contains(got, `"jwt": string`) || !strings.Contains(got, `"n": number`) {
		t.Error(got)
	}
	if got := shape([]byte("HIDDEN")); strings.Contains(got, "HIDDEN") {
		t.Error(got)
	}
}

func TestASecretInADisguiseNobodyListedIsStillFound(t *testing.T) {
	for secret, texts := range map[string][]string{
		`ab/cd+efgh`:        {`ab\/cd+efgh`, `ab/cd\u002Befgh`, `ab%2fcd%2Befgh`, `ab&#x2f;cd&#43;efgh`, `61622f63642b65666768`},
		`pa<ss>w"ord'x`:     {`pa\u003Css\u003Ew\"ord'x`, `pa&lt;ss&gt;w&quot;ord&#x27;x`, `pa&lt;ss&gt;w&#034;ord&#039;x`},
		`passéword~1`:       {`pass\u00E9word~1`, `pass%C3%A9word%7E1`, `pass\\u00e9word~1`},
		`back\slash\u0041x`: {`back\slash\u0041x`, `back\\slash\\u0041x`},
	} {
		s := emptyScrubber()
		s.add(secret)
		for _, text := range texts {
			if got := s.clean(`{"msg":"bad login with ` + text + ` today"}`); strings.Contains(got, text) {
				t.Errorf("%q as %s: %s", secret, text, got)
			}
		}
	}
}

func TestATokenLivesAsLongAsItSays(t *testing.T) {
	jwt := func(exp time.Time) string {
		claims := fmt.Sprintf(`{"exp":%d}`, exp.Unix())
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"
	}
	if d := lifetime(2, jwt(time.Now().Add(time.Hour))); d != 2*time.Second {
		t.Errorf("expires_in 2: %v", d)
	}
	if d := lifetime(0, jwt(time.Now().Add(8*time.Second))); d < 6*time.Second || d > 8*time.Second {
		t.Errorf("a JWT with 8 s left lives %v", d)
	}
	if d := lifetime(0, jwt(time.Now().Add(-time.Minute))); d != skewedJWTLife {
		t.Errorf("a fresh JWT whose exp is past lives %v, want %v", d, skewedJWTLife)
	}
	if d := lifetime(0, "opaque"); d != 0 {
		t.Errorf("an opaque token lives %v, want for ever (0)", d)
	}
}
