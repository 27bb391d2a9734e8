package reference

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// hashRounds is far below what guards real passwords (hundreds of thousands): the reference ARQ runs beside the load
// generator, and a hundred logins a second must not take the processor from the measurement. A round costs about 0.5 µs.
const hashRounds = 32

// A credential is a salted password hash; its text form is what the tables and the cache hold.
type credential struct{ salt, hash []byte }

func newCredential(password string) credential {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails, see crypto/rand
	return credential{salt: salt, hash: hashPassword(password, salt)}
}

func (c credential) matches(password string) bool {
	return subtle.ConstantTimeCompare(c.hash, hashPassword(password, c.salt)) == 1
}

func hashPassword(password string, salt []byte) []byte {
	hash, err := pbkdf2.Key(sha256.New, password, salt, hashRounds, sha256.Size)
	if err != nil {
		panic(err) // only in FIPS mode, for a salt or key shorter than these
	}
	return hash
}

func (c credential) String() string {
	return hex.EncodeToString(c.salt) + ":" + hex.EncodeToString(c.hash)
}

func parseCredential(text string) (credential, error) {
	salt, hash, _ := strings.Cut(text, ":")
	s, err1 := hex.DecodeString(salt)
	h, err2 := hex.DecodeString(hash)
	if err1 != nil || err2 != nil || len(s) != 16 || len(h) != sha256.Size {
		return credential{}, fmt.Errorf("not a stored credential")
	}
	return credential{salt: s, hash: h}, nil
}

// newToken has 256 random bits. Redis holds only its hash: who reads the cache cannot use it.
func newToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func tokenKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "token:" + hex.EncodeToString(sum[:])
}

// An id is a version 7 UUID. It begins with the time, so that new rows land at the end of their index.
type id [16]byte

func newID(now time.Time) id {
	var v id
	rand.Read(v[6:])
	ms := now.UnixMilli()
	for i := range 6 {
		v[i] = byte(ms >> (8 * (5 - i)))
	}
	v[6] = v[6]&0x0f | 0x70
	v[8] = v[8]&0x3f | 0x80
	return v
}

func (v id) String() string {
	h := hex.EncodeToString(v[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func parseID(text string) (v id, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id{}, false
	}
	n, err := hex.Decode(v[:], []byte(strings.ReplaceAll(text, "-", "")))
	return v, err == nil && n == len(v)
}
