package password

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// Bounds of a hash brought from elsewhere. The library takes any number a text
// names, up to terabytes of memory; these are above what anyone uses.
const (
	maxArgonMemory  = 128 * 1024 // KiB
	maxArgonTime    = 16
	maxArgonThreads = 16
	maxScryptLog    = 17 // with r 8: 128 MiB
	maxScryptBlock  = 8
	maxScryptLanes  = 4
	maxBcryptCost   = 14
	maxPBKDF2       = 2_000_000
	maxSHACrypt     = 1_000_000
	maxEncoded      = 512
)

// ErrUnknownScheme: the text is no hash of a scheme that is taken, or its
// parameters are out of bounds.
var ErrUnknownScheme = errors.New("password: unknown hash scheme or parameters out of bounds")

type imported struct {
	digest algorithm.Digest
	memory uint32 // KiB it will hold
}

// LooksHashed tells whether a text is meant as a hash: it begins like one. A
// password of a file that begins so and is none is refused, not hashed.
func LooksHashed(s string) bool {
	if !strings.HasPrefix(s, "$") {
		return false
	}
	id, rest, ok := strings.Cut(s[1:], "$")
	return ok && rest != "" && id != "" && len(id) <= 16 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// CheckImported tells whether a hash brought from elsewhere can be stored:
// argon2id, bcrypt, scrypt, pbkdf2 or sha512-crypt within the bounds. Hashes of
// our own are bound to this installation's keys and may come back from its own
// export.
func CheckImported(encoded string) error {
	if strings.HasPrefix(encoded, "$"+marker+"$") {
		_, err := decode(encoded)
		return err
	}
	_, err := parseImported(encoded)
	return err
}

func parseImported(encoded string) (imported, error) {
	if len(encoded) > maxEncoded || !LooksHashed(encoded) {
		return imported{}, ErrUnknownScheme
	}
	parts := strings.Split(encoded, "$")
	var digest algorithm.Digest
	var memory uint32 = 1024
	var err error
	switch parts[1] {
	case "argon2id":
		if memory, err = argonBounds(parts); err == nil {
			digest, err = argon2.Decode(encoded)
		}
	case "2a", "2b", "2y":
		if err = numberBound(parts, 2, 4, maxBcryptCost); err == nil {
			digest, err = bcrypt.DecodeVariant(bcrypt.VariantStandard)(encoded)
		}
	case "scrypt":
		if memory, err = scryptBounds(parts); err == nil {
			digest, err = scrypt.DecodeVariant(scrypt.VariantScrypt)(encoded)
		}
	case "pbkdf2-sha256", "pbkdf2-sha512":
		if encoded, err = passlibForm(parts); err == nil {
			digest, err = pbkdf2.Decode(encoded)
		}
	case "6":
		if err = roundsBound(parts); err == nil {
			digest, err = shacrypt.DecodeVariant(shacrypt.VariantSHA512)(encoded)
		}
	default:
		return imported{}, ErrUnknownScheme
	}
	if err != nil {
		// The library's text may repeat the hash; it is not passed on.
		return imported{}, ErrUnknownScheme
	}
	return imported{digest, memory}, nil
}

func argonBounds(parts []string) (memory uint32, err error) {
	if len(parts) != 6 || parts[2] != "v=19" || parts[4] == "" || parts[5] == "" {
		return 0, ErrUnknownScheme
	}
	p, err := parameters(parts[3], "m", "t", "p")
	if err != nil {
		return 0, err
	}
	if p["m"] < 8*p["p"] || p["m"] > maxArgonMemory || p["t"] < 1 || p["t"] > maxArgonTime || p["p"] < 1 || p["p"] > maxArgonThreads {
		return 0, ErrUnknownScheme
	}
	return uint32(p["m"]), nil
}

func scryptBounds(parts []string) (memory uint32, err error) {
	if len(parts) != 5 {
		return 0, ErrUnknownScheme
	}
	p, err := parameters(parts[2], "ln", "r", "p")
	if err != nil {
		return 0, err
	}
	if p["ln"] < 1 || p["ln"] > maxScryptLog || p["r"] < 1 || p["r"] > maxScryptBlock || p["p"] < 1 || p["p"] > maxScryptLanes {
		return 0, ErrUnknownScheme
	}
	return uint32(128*p["r"]<<p["ln"]/1024) + 1, nil
}

func numberBound(parts []string, at int, least, most uint64) error {
	if len(parts) <= at {
		return ErrUnknownScheme
	}
	n, err := strconv.ParseUint(parts[at], 10, 32)
	if err != nil || n < least || n > most {
		return ErrUnknownScheme
	}
	return nil
}

// passlibForm reads the two ways PBKDF2 is written, $pbkdf2-sha256$29000$… of
// passlib and $pbkdf2-sha256$i=29000,l=32$… of the PHC string format, and gives
// the first, which the library knows. They also differ in one letter of their
// base64 alphabets.
func passlibForm(parts []string) (string, error) {
	if len(parts) != 5 || parts[3] == "" || parts[4] == "" {
		return "", ErrUnknownScheme
	}
	rounds, length, named := strings.Cut(parts[2], ",")
	rounds = strings.TrimPrefix(rounds, "i=")
	if err := numberBound([]string{rounds}, 0, 1, maxPBKDF2); err != nil {
		return "", err
	}
	salt, key := strings.ReplaceAll(parts[3], "+", "."), strings.ReplaceAll(parts[4], "+", ".")
	if named {
		p, err := parameters(length, "l")
		if err != nil || int(p["l"]) != base64.RawStdEncoding.DecodedLen(len(key)) {
			return "", ErrUnknownScheme
		}
	}
	return strings.Join([]string{"", parts[1], rounds, salt, key}, "$"), nil
}

// roundsBound reads $6$salt$hash and $6$rounds=N$salt$hash.
func roundsBound(parts []string) error {
	switch len(parts) {
	case 4:
		return nil
	case 5:
		p, err := parameters(parts[2], "rounds")
		if err != nil || p["rounds"] < 1000 || p["rounds"] > maxSHACrypt {
			return ErrUnknownScheme
		}
		return nil
	}
	return ErrUnknownScheme
}

// parameters reads "m=1,t=2": exactly the names asked for, each once, each a
// plain number.
func parameters(s string, names ...string) (map[string]uint64, error) {
	fields := strings.Split(s, ",")
	if len(fields) != len(names) {
		return nil, ErrUnknownScheme
	}
	p := make(map[string]uint64, len(names))
	for i, f := range fields {
		value, ok := strings.CutPrefix(f, names[i]+"=")
		n, err := strconv.ParseUint(value, 10, 32)
		if !ok || err != nil {
			return nil, ErrUnknownScheme
		}
		p[names[i]] = n
	}
	return p, nil
}

// tryImported judges by the scheme of the text. Systems differ in whether they
// normalize, so a password that NFKC changes is tried both ways.
func (h *Hasher) tryImported(ctx context.Context, encoded, pw string) (Try, error) {
	im, err := parseImported(encoded)
	if err != nil {
		return Try{}, fmt.Errorf("judge imported password: %w", err)
	}
	normalized, plain := Normalize(pw)
	if !plain {
		return Try{Renew: true}, h.VerifyDummy(ctx, pw)
	}
	release, err := h.turn.take(ctx, max(im.memory, 1024))
	if err != nil {
		return Try{}, err
	}
	// An error of the scheme (bcrypt beyond 72 bytes) means: not this password.
	ok, err := im.digest.MatchAdvanced(normalized)
	ok = ok && err == nil
	if !ok && normalized != pw {
		ok, err = im.digest.MatchAdvanced(pw)
		ok = ok && err == nil
	}
	release()
	if ok {
		return Try{OK: true, Renew: true}, nil
	}
	// The scheme gives no output to keep. The fingerprint is a slow keyed hash
	// under a salt of the text, so that it tells no more than the text does.
	salt := h.keys.Derive("password.imported", []byte(encoded))[:saltSize]
	out, err := h.compute(ctx, pw, salt, h.params)
	if err != nil {
		return Try{}, err
	}
	return Try{Renew: true, Fingerprint: h.fingerprint(out)}, nil
}
