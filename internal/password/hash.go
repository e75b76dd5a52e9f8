package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"

	"kunci.dev/kunci/internal/problem"
)

// Params are the costs of an argon2id hash (RFC 9106).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams are OWASP's and ASVS 5.0's (appendix C) least: 19 MiB, 2 passes.
var DefaultParams = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

const (
	marker    = "kunci-argon2id"
	saltSize  = 16
	argonSize = 32
	keyedSize = 32
)

// Keys gives the keyed hash that makes a stolen database useless. It is the
// keyset of the installation.
type Keys interface {
	Derive(purpose string, data ...[]byte) []byte
}

// HasherDeps is what a Hasher needs; zero numbers take the defaults.
type HasherDeps struct {
	Keys Keys
	// MaxConcurrent is how many default hashes' worth of memory is used at once
	// (default: one per CPU and one more, at most 8: 152 MiB).
	MaxConcurrent int
	// MaxWaiting is how many callers may wait for their turn (default 256).
	MaxWaiting int
	Params     Params
}

// Hasher turns passwords into text to store, and judges them. It is safe for
// concurrent use.
type Hasher struct {
	keys   Keys
	params Params
	turn   *turns
}

// New refuses missing keys.
func New(d HasherDeps) (*Hasher, error) {
	if d.Keys == nil {
		return nil, errors.New("password: no keys")
	}
	if d.Params == (Params{}) {
		d.Params = DefaultParams
	}
	if d.Params.Time == 0 || d.Params.Threads == 0 || d.Params.Memory < 8*uint32(d.Params.Threads) {
		return nil, errors.New("password: impossible argon2id parameters")
	}
	if d.MaxConcurrent <= 0 {
		d.MaxConcurrent = min(runtime.GOMAXPROCS(0)+1, 8)
	}
	if d.MaxWaiting <= 0 {
		d.MaxWaiting = 256
	}
	return &Hasher{d.Keys, d.Params, newTurns(d.MaxConcurrent, d.MaxWaiting, d.Params.Memory)}, nil
}

// stored is a hash of our own.
type stored struct {
	params Params
	salt   []byte
	out    []byte
}

// Hash gives the text to store. A nil salt takes a new one. Refusals: problem
// Busy; problem BadInput for what Normalize refuses.
func (h *Hasher) Hash(ctx context.Context, pw string, salt []byte) (encoded string, err error) {
	if _, ok := Normalize(pw); !ok {
		return "", problem.New(problem.BadInput)
	}
	if salt == nil {
		salt = make([]byte, saltSize)
		if _, err := rand.Read(salt); err != nil {
			return "", fmt.Errorf("hash password: %w", err)
		}
	}
	out, err := h.compute(ctx, pw, salt, h.params)
	if err != nil {
		return "", err
	}
	return encode(stored{h.params, salt, out}), nil
}

// Try is what judging a password against a stored text gives.
type Try struct {
	OK bool
	// Renew: the text is of another scheme or of other parameters than are used
	// now; store a new one while the password is at hand.
	Renew bool
	// Fingerprint is the same for the same password tried on the same account,
	// and as hard to guess from as the stored text itself.
	Fingerprint []byte
}

// Verify judges a password. One that Normalize refuses is wrong after the same time.
func (h *Hasher) Verify(ctx context.Context, encoded, pw string) (ok, renew bool, err error) {
	t, err := h.Try(ctx, encoded, pw)
	return t.OK, t.Renew, err
}

// Try judges a password and gives the fingerprint by which a repeated wrong one
// is known.
func (h *Hasher) Try(ctx context.Context, encoded, pw string) (Try, error) {
	if !strings.HasPrefix(encoded, "$"+marker+"$") {
		return h.tryImported(ctx, encoded, pw)
	}
	s, err := decode(encoded)
	if err != nil {
		return Try{}, err
	}
	out, err := h.compute(ctx, pw, s.salt, s.params)
	if err != nil {
		return Try{}, err
	}
	ok := subtle.ConstantTimeCompare(out, s.out) == 1
	return Try{OK: ok, Renew: s.params != h.params, Fingerprint: h.fingerprint(out)}, nil
}

// VerifyDummy takes as long as Verify of a hash of our own: for an account that
// does not exist or has no password.
func (h *Hasher) VerifyDummy(ctx context.Context, pw string) error {
	_, err := h.compute(ctx, pw, make([]byte, saltSize), h.params)
	return err
}

// Replace gives the text to store for a new password. stored are the account's
// texts, the current one first, whose salt is kept; used tells whether the
// password is one of the first refused of them. With one salt and one set of
// parameters, as Replace itself leaves them, that is a single slow hash; each
// other scheme, salt or cost among the texts adds its own.
func (h *Hasher) Replace(ctx context.Context, pw string, stored []string, refused int) (encoded string, used bool, err error) {
	encoded, err = h.Renew(ctx, pw, stored)
	if err != nil {
		return "", false, err
	}
	now, err := decode(encoded)
	if err != nil {
		return "", false, err
	}
	done := map[string][]byte{groupOf(now): now.out}
	for _, text := range stored[:max(0, min(refused, len(stored)))] {
		same, err := h.matches(ctx, pw, text, done)
		if err != nil {
			return "", false, err
		}
		used = used || same
	}
	return encoded, used, nil
}

// Renew gives the text to store for a password just found right, under the
// salt of the account's texts, so that past passwords keep their meaning.
func (h *Hasher) Renew(ctx context.Context, pw string, stored []string) (string, error) {
	return h.Hash(ctx, pw, accountSalt(stored))
}

// matches judges pw against one text; done remembers outputs by salt and cost.
func (h *Hasher) matches(ctx context.Context, pw, text string, done map[string][]byte) (bool, error) {
	if !strings.HasPrefix(text, "$"+marker+"$") {
		t, err := h.tryImported(ctx, text, pw)
		return t.OK, err
	}
	s, err := decode(text)
	if err != nil {
		return false, err
	}
	out, ok := done[groupOf(s)]
	if !ok {
		if out, err = h.compute(ctx, pw, s.salt, s.params); err != nil {
			return false, err
		}
		done[groupOf(s)] = out
	}
	return subtle.ConstantTimeCompare(out, s.out) == 1, nil
}

// accountSalt is the salt of the first text of our own; nil when there is none.
func accountSalt(texts []string) []byte {
	for _, text := range texts {
		if s, err := decode(text); err == nil {
			return s.salt
		}
	}
	return nil
}

// compute is the slow step: argon2id, then the keyed hash over its output.
func (h *Hasher) compute(ctx context.Context, pw string, salt []byte, p Params) ([]byte, error) {
	normalized, ok := Normalize(pw)
	release, err := h.turn.take(ctx, p.Memory)
	if err != nil {
		return nil, err
	}
	defer release()
	raw := argon2.IDKey([]byte(normalized), salt, p.Time, p.Memory, p.Threads, argonSize)
	if !ok {
		// Not a password at all: an output nothing stored can equal, after the same time.
		return h.keys.Derive("password.none", raw), nil
	}
	return h.keys.Derive("password.hash", salt, raw), nil
}

func (h *Hasher) fingerprint(out []byte) []byte {
	return h.keys.Derive("password.try", out)[:16]
}

func groupOf(s stored) string {
	return fmt.Sprintf("%d.%d.%d.%x", s.params.Memory, s.params.Time, s.params.Threads, s.salt)
}

var b64 = base64.RawStdEncoding

func encode(s stored) string {
	return fmt.Sprintf("$%s$v=1$m=%d,t=%d,p=%d$%s$%s", marker, s.params.Memory, s.params.Time, s.params.Threads,
		b64.EncodeToString(s.salt), b64.EncodeToString(s.out))
}

var errEncoding = errors.New("password: damaged hash")

func decode(encoded string) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != marker || parts[2] != "v=1" {
		return stored{}, errEncoding
	}
	p, err := parameters(parts[3], "m", "t", "p")
	if err != nil {
		return stored{}, err
	}
	if p["m"] > maxArgonMemory || p["t"] > maxArgonTime || p["p"] > maxArgonThreads || p["t"] == 0 || p["p"] == 0 {
		return stored{}, errEncoding
	}
	s := stored{params: Params{uint32(p["m"]), uint32(p["t"]), uint8(p["p"])}}
	if s.salt, err = b64.DecodeString(parts[4]); err != nil || len(s.salt) < 8 {
		return stored{}, errEncoding
	}
	if s.out, err = b64.DecodeString(parts[5]); err != nil || len(s.out) != keyedSize {
		return stored{}, errEncoding
	}
	return s, nil
}

// Mark gives a short keyed mark of a hash brought from elsewhere, by which the
// same text is known again after the account's own hash was renewed.
func (h *Hasher) Mark(encoded string) string {
	return "mark:" + b64.EncodeToString(h.keys.Derive("password.mark", []byte(encoded)))
}
