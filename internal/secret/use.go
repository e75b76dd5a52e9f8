package secret

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"
)

// ErrSealed says that a sealed value does not open: it was changed, belongs
// elsewhere, or its key is not in the keyset.
var ErrSealed = errors.New("a sealed value does not open")

// Seal encrypts with authentication. ad says what the value belongs to, for
// example "method|organization|account|id"; it opens only with the same ad, so
// a sealed value moved to another row is refused.
func (k *Keyset) Seal(plain []byte, ad string) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	sealed, err := k.aead.Encrypt(plain, []byte(ad))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open is the opposite of Seal; ErrSealed when the value does not open.
func (k *Keyset) Open(sealed []byte, ad string) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	plain, err := k.aead.Decrypt(sealed, []byte(ad))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Reseal gives a sealed value under the newest key; old is true when it was under
// another. ErrSealed when it does not open.
func (k *Keyset) Reseal(sealed []byte, ad string) (fresh []byte, old bool, err error) {
	if k.current(sealed) {
		return sealed, false, nil
	}
	plain, err := k.Open(sealed, ad)
	if err != nil {
		return nil, false, err
	}
	fresh, err = k.Seal(plain, ad)
	return fresh, err == nil, err
}

// current reads Tink's prefix: a one, then the key's number in four bytes.
func (k *Keyset) current(sealed []byte) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(sealed) > 5 && sealed[0] == 1 && binary.BigEndian.Uint32(sealed[1:]) == k.sealing.KeysetInfo().GetPrimaryKeyId()
}

// Index is the blind index of a value: equal values have equal indexes, and
// without the keyset nothing can be told from one.
func (k *Keyset) Index(purpose, value string) []byte {
	return k.Derive("index", []byte(purpose), []byte(value))
}

const derivedSize = 32

// Derive gives 32 bytes that depend on the keyset, the purpose and the data,
// each part with its length, so that no two lists of parts run together.
func (k *Keyset) Derive(purpose string, data ...[]byte) []byte {
	input := appendPart(nil, []byte(purpose))
	for _, part := range data {
		input = appendPart(input, part)
	}
	out, err := k.prf.ComputePrimaryPRF(input, derivedSize)
	if err != nil {
		// HMAC-SHA-256 gives 32 bytes for any input; anything else is a broken build.
		panic("secret: " + err.Error())
	}
	return out
}

func appendPart(to, part []byte) []byte {
	to = binary.BigEndian.AppendUint64(to, uint64(len(part)))
	return append(to, part...)
}

// maxDigits keeps 10^digits well inside 64 bits.
const maxDigits = 12

// Code derives a decimal code of the given number of digits (6 to 12), each
// value equally likely: a draw from the incomplete last range is thrown away
// and drawn again (no modulo bias).
func (k *Keyset) Code(purpose string, digits int, data ...[]byte) string {
	if digits < 6 || digits > maxDigits {
		panic("secret: a code has 6 to 12 digits, not " + strconv.Itoa(digits))
	}
	size := uint64(1)
	for range digits {
		size *= 10
	}
	limit := ^uint64(0) - ^uint64(0)%size
	for round := uint64(0); ; round++ {
		parts := append([][]byte{binary.BigEndian.AppendUint64(nil, round)}, data...)
		drawn := binary.BigEndian.Uint64(k.Derive("code "+purpose, parts...))
		if drawn < limit {
			return fmt.Sprintf("%0*d", digits, drawn%size)
		}
	}
}

// Signer signs checkpoints as the origin (C2SP signed-note, Ed25519).
func (k *Keyset) Signer(origin string) (note.Signer, error) {
	public, err := k.PublicKey(origin)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("checkpoint key: %w", err)
	}
	const ed25519Algorithm = 1
	key := append([]byte{ed25519Algorithm}, k.signing.Seed()...)
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, verifier.KeyHash(), base64.StdEncoding.EncodeToString(key)))
	if err != nil {
		return nil, fmt.Errorf("checkpoint key: %w", err)
	}
	return signer, nil
}

// Verifier checks checkpoints of the origin.
func (k *Keyset) Verifier(origin string) (note.Verifier, error) {
	public, err := k.PublicKey(origin)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("checkpoint key: %w", err)
	}
	return verifier, nil
}

// PublicKey is the origin's verifier key in the form of C2SP signed-note, to
// be kept by whoever checks the log from outside.
func (k *Keyset) PublicKey(origin string) (string, error) {
	public, ok := k.signing.Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("checkpoint key: not an Ed25519 key")
	}
	key, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		return "", fmt.Errorf("checkpoint key: %w", err)
	}
	return key, nil
}
