package method

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"kunci.dev/kunci/internal/problem"
)

const (
	// RecoveryCodes is how many codes a set has.
	RecoveryCodes = 10

	codeBytes = 10 // 80 bits, above the 64 that SP 800-63B-4 4.2.1.1 asks for
	codeText  = codeBytes * 8 / 5
	saltBytes = 16
	hashBytes = 32

	// Set header: version, passes, lanes, memory in KiB. Codes of 80 bits are
	// below the 112 that would allow a plain hash (ASVS 5.0, 6.5.2).
	setVersion  = 1
	setPasses   = 2
	setLanes    = 1
	setMemory   = 19 * 1024
	setHeader   = 1 + 1 + 1 + 4
	setLength   = setHeader + saltBytes + RecoveryCodes*hashBytes
	slowAtOnce  = 2  // each holds 19 MiB
	slowWaiting = 16 // beyond these the person is asked to try again
)

// alphabet is Crockford's base 32 in lower case: no i, l, o, u.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// NewRecoverySet makes ten codes to show once and the set to store as Secret.
// All codes are hashed under one salt, so judging a try costs one slow hash.
// It takes ten slow hashes; never call it with a transaction open.
func (s *Service) NewRecoverySet(ctx context.Context) (codes []string, set []byte, err error) {
	set = make([]byte, setHeader, setLength)
	set[0], set[1], set[2] = setVersion, setPasses, setLanes
	binary.BigEndian.PutUint32(set[3:], s.memory)
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return nil, nil, fmt.Errorf("recovery set: %w", err)
	}
	set = append(set, salt...)
	release, err := s.slow.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	for range RecoveryCodes {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		raw := make([]byte, codeBytes)
		if _, err := rand.Read(raw); err != nil {
			return nil, nil, fmt.Errorf("recovery set: %w", err)
		}
		text := encodeCode(raw)
		codes = append(codes, group(text))
		set = append(set, argon2.IDKey([]byte(text), salt, setPasses, s.memory, setLanes, hashBytes)...)
	}
	return codes, set, nil
}

// Decoy is a method of a kind that nobody has: judging an answer to it takes as
// long as for a real one, and none is right.
func Decoy(k Kind) Method {
	m := Method{ID: "-", Kind: k}
	if k == RecoveryCode {
		m.Secret = make([]byte, setLength)
		m.Secret[0], m.Secret[1], m.Secret[2] = setVersion, setPasses, setLanes
		binary.BigEndian.PutUint32(m.Secret[3:], setMemory)
	}
	return m
}

// HashRecoveryCode is the slow half of judging a typed code: it needs no
// transaction and must not be called in one. A text that cannot be a code gives
// problem CodeFormat; too many at once give problem Busy.
func (s *Service) HashRecoveryCode(ctx context.Context, set []byte, typed string) ([]byte, error) {
	text, ok := NormalizeRecoveryCode(typed)
	if !ok {
		return nil, problem.New(problem.CodeFormat).On("code")
	}
	if err := checkSet(set); err != nil {
		return nil, err
	}
	release, err := s.slow.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	salt := set[setHeader : setHeader+saltBytes]
	return argon2.IDKey([]byte(text), salt, uint32(set[1]), binary.BigEndian.Uint32(set[3:]), set[2], hashBytes), nil
}

// MatchRecoveryCode is the fast half: which code of the set hashes to hash. All
// ten are compared, whichever matches. Whether it is burnt, RecoveryUse says.
func MatchRecoveryCode(set, hash []byte) (index int, ok bool) {
	if checkSet(set) != nil || len(hash) != hashBytes {
		return 0, false
	}
	found, at := 0, 0
	for i := range RecoveryCodes {
		from := setHeader + saltBytes + i*hashBytes
		equal := subtle.ConstantTimeCompare(set[from:from+hashBytes], hash)
		at = subtle.ConstantTimeSelect(equal, i, at)
		found |= equal
	}
	return at, found == 1
}

// NormalizeRecoveryCode reads a code as people type it: any case, any grouping,
// o for 0 and i or l for 1.
func NormalizeRecoveryCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	text, ok := readCode(typed)
	return text, ok && len(text) == codeText
}

func checkSet(set []byte) error {
	if len(set) != setLength || set[0] != setVersion {
		return errors.New("method: not a recovery set")
	}
	// The set is sealed; the bound keeps a damaged one from taking all memory.
	if set[1] == 0 || set[2] == 0 || binary.BigEndian.Uint32(set[3:]) > 64*1024 {
		return errors.New("method: recovery set out of bounds")
	}
	return nil
}

func encodeCode(raw []byte) string {
	var b strings.Builder
	var bits, have uint
	for _, c := range raw {
		bits, have = bits<<8|uint(c), have+8
		for have >= 5 {
			have -= 5
			b.WriteByte(alphabet[bits>>have&31])
		}
	}
	return b.String()
}

func group(code string) string {
	var parts []string
	for i := 0; i < len(code); i += 4 {
		parts = append(parts, code[i:i+4])
	}
	return strings.Join(parts, "-")
}

// gate bounds the memory that slow hashes hold at once.
type gate struct{ running, waiting chan struct{} }

func newGate() gate {
	return gate{make(chan struct{}, slowAtOnce), make(chan struct{}, slowAtOnce+slowWaiting)}
}

func (g gate) acquire(ctx context.Context) (release func(), err error) {
	select {
	case g.waiting <- struct{}{}:
	default:
		return nil, problem.New(problem.Busy).After(2 * time.Second)
	}
	select {
	case g.running <- struct{}{}:
		return func() { <-g.running; <-g.waiting }, nil
	case <-ctx.Done():
		<-g.waiting
		return nil, ctx.Err()
	}
}
