package method

import (
	"encoding/base32"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// The vectors of RFC 4226, appendix D.
func TestHOTPVectors(t *testing.T) {
	o := OATH{Counter: true, Algorithm: SHA1, Digits: 6}
	for counter, want := range []string{
		"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
	} {
		if got := o.Code([]byte("12345678901234567890"), int64(counter)); got != want {
			t.Errorf("counter %d: %s, want %s", counter, got, want)
		}
	}
}

// The vectors of RFC 6238, appendix B: the seed is as long as the hash.
func TestTOTPVectors(t *testing.T) {
	digits := "1234567890123456789012345678901234567890123456789012345678901234"
	for _, c := range []struct {
		algorithm Algorithm
		seed      string
		codes     map[int64]string
	}{
		{SHA1, digits[:20], map[int64]string{
			59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
		}},
		{SHA256, digits[:32], map[int64]string{
			59: "46119246", 1111111109: "68084774", 1111111111: "67062674", 1234567890: "91819424", 2000000000: "90698825", 20000000000: "77737706",
		}},
		{SHA512, digits[:64], map[int64]string{
			59: "90693936", 1111111109: "25091201", 1111111111: "99943326", 1234567890: "93441116", 2000000000: "38618901", 20000000000: "47863826",
		}},
	} {
		o := OATH{Algorithm: c.algorithm, Digits: 8, Period: 30}
		for at, want := range c.codes {
			if got := o.Code([]byte(c.seed), o.Step(time.Unix(at, 0))); got != want {
				t.Errorf("%s at %d: %s, want %s", c.algorithm, at, got, want)
			}
		}
	}
}

func TestTOTPAgreesWithAnother(t *testing.T) {
	for i := range 200 {
		seed := []byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
		at := time.Unix(int64(i)*7919, 0)
		o := OATH{Algorithm: []Algorithm{SHA1, SHA256, SHA512}[i%3], Digits: 6 + 2*(i%2), Period: 30 + 30*(i/2%2)}
		want, err := totp.GenerateCodeCustom(base32.StdEncoding.EncodeToString(seed), at, totp.ValidateOpts{
			Period: uint(o.Period), Digits: otp.Digits(o.Digits), Algorithm: []otp.Algorithm{otp.AlgorithmSHA1, otp.AlgorithmSHA256, otp.AlgorithmSHA512}[i%3],
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Code(seed, o.Step(at)); got != want {
			t.Errorf("%+v at %v: %s, want %s", o, at, got, want)
		}
	}
}

func TestWhatMakesNoCodes(t *testing.T) {
	for _, o := range []OATH{
		{}, {Algorithm: "MD5", Digits: 6, Period: 30}, {Algorithm: SHA1, Digits: 7, Period: 30}, {Algorithm: SHA1, Digits: 6},
		{Algorithm: SHA1, Digits: 6, Period: 31}, {Algorithm: SHA1, Digits: 6, Period: -30}, {Counter: true, Algorithm: SHA1, Digits: 6, Period: 30},
	} {
		if o.Check() == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	for _, o := range []OATH{AppOATH, {Algorithm: SHA512, Digits: 8, Period: 60}, {Counter: true, Algorithm: SHA256, Digits: 8}} {
		if err := o.Check(); err != nil {
			t.Error(err)
		}
	}
}
