package challenge

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238's default; HMAC does not rest on collision resistance
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	totpPeriod = 30 // seconds; RFC 6238, 5.2
	totpDigits = 6  // what authenticator apps show
)

// totpStep is the number of whole periods since the epoch (RFC 6238, 4.2).
func totpStep(at time.Time) int64 { return at.Unix() / totpPeriod }

// totpAt is HOTP (RFC 4226, 5.3) at a time step: dynamic truncation of the HMAC.
func totpAt(seed []byte, step int64, digits int) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, seed)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	value := uint64(binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff)
	size := uint64(1)
	for range digits {
		size *= 10
	}
	return fmt.Sprintf("%0*d", digits, value%size)
}

// totpMatch looks for the step a code belongs to, one period around now. All
// three are compared whichever matches; of two equal codes the later counts.
func totpMatch(seed []byte, code string, now time.Time) (step int64, ok bool) {
	for s := totpStep(now) - 1; s <= totpStep(now)+1; s++ {
		if subtle.ConstantTimeCompare([]byte(totpAt(seed, s, totpDigits)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}
