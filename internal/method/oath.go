package method

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 4226's function; HMAC does not rest on collision resistance
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"time"
)

// Algorithm is the hash function under a one-time code.
type Algorithm string

// The algorithms of RFC 6238, section 1.2.
const (
	SHA1   Algorithm = "SHA1"
	SHA256 Algorithm = "SHA256"
	SHA512 Algorithm = "SHA512"
)

// OATH says how a secret makes one-time codes: by a counter (HOTP, RFC 4226) or
// by the time (TOTP, RFC 6238). What moves is called a step in both.
type OATH struct {
	Counter   bool      `json:"c,omitempty"`
	Algorithm Algorithm `json:"a"`
	Digits    int       `json:"d"`
	Period    int       `json:"p,omitempty"` // seconds; 0 with a counter
}

// AppOATH is what every authenticator app can do.
var AppOATH = OATH{Algorithm: SHA1, Digits: 6, Period: 30}

func (o OATH) hash() func() hash.Hash {
	switch o.Algorithm {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	case SHA512:
		return sha512.New
	}
	return nil
}

// Check refuses parameters that nothing here makes codes with.
func (o OATH) Check() error {
	switch {
	case o.hash() == nil:
		return fmt.Errorf("one-time code: algorithm %q", o.Algorithm)
	case o.Digits != 6 && o.Digits != 8:
		return fmt.Errorf("one-time code: %d digits", o.Digits)
	case o.Counter != (o.Period == 0), o.Period != 0 && o.Period != 30 && o.Period != 60:
		return fmt.Errorf("one-time code: period of %d s", o.Period)
	}
	return nil
}

// Step is the number of whole periods since the epoch (RFC 6238, 4.2); 0 with a counter.
func (o OATH) Step(at time.Time) int64 {
	if o.Period == 0 {
		return 0
	}
	return at.Unix() / int64(o.Period)
}

// Code is the code of a step: dynamic truncation of the HMAC (RFC 4226, 5.3).
func (o OATH) Code(seed []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(o.hash(), seed)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	value := uint64(binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff)
	size := uint64(1)
	for range o.Digits {
		size *= 10
	}
	return fmt.Sprintf("%0*d", o.Digits, value%size)
}
