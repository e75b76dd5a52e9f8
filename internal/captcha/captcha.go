package captcha

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// When the hurdle comes up, where the policy says adaptive, and what it asks.
const (
	// MaxNumber bounds the search: 25,000 hashes on average, under a second on a phone.
	MaxNumber = 50_000
	// Life is how long a challenge can be answered.
	Life = 10 * time.Minute
	// Wait is what a browser without scripts waits instead.
	Wait = 20 * time.Second
)

// Starts beyond these bring the hurdle up.
var (
	perAddress      = throttle.Limit{Limit: 10, Per: 10 * time.Minute, Lock: 30 * time.Minute}
	perOrganization = throttle.Limit{Limit: 300, Per: 10 * time.Minute, Lock: 10 * time.Minute}
	once            = throttle.Limit{Limit: 1, Per: 2 * Life}
)

// Service makes challenges and judges proofs.
type Service struct{ keys *secret.Keyset }

// New refuses missing parts.
func New(keys *secret.Keyset) (*Service, error) {
	if keys == nil {
		return nil, errors.New("captcha: no keyset")
	}
	return &Service{keys}, nil
}

// Challenge is what the page hands to the browser, in ALTCHA's names.
type Challenge struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	MaxNumber int    `json:"maxnumber"`
	Salt      string `json:"salt"`
	Signature string `json:"signature"`
	// Wait is what the form sends where no script runs: worth something only
	// after the wait.
	Wait string `json:"-"`
}

const algorithm = "SHA-256"

// Challenge makes a new one.
func (s *Service) Challenge(now time.Time) (Challenge, error) {
	number, err := rand.Int(rand.Reader, big.NewInt(MaxNumber+1))
	if err != nil {
		return Challenge{}, err
	}
	salt := rand.Text() + "?expires=" + strconv.FormatInt(now.Add(Life).Unix(), 10)
	hash := work(salt, number.Int64())
	begun := rand.Text() + "." + strconv.FormatInt(now.Unix(), 10)
	return Challenge{
		Algorithm: algorithm, Challenge: hash, MaxNumber: MaxNumber, Salt: salt, Signature: s.sign("work", hash),
		Wait: waitPrefix + begun + "." + s.sign("wait", begun),
	}, nil
}

const waitPrefix = "wait."

// work is the hash whose number has to be found.
func work(salt string, number int64) string {
	sum := sha256.Sum256([]byte(salt + strconv.FormatInt(number, 10)))
	return hex.EncodeToString(sum[:])
}

func (s *Service) sign(purpose, text string) string {
	return hex.EncodeToString(s.keys.Derive("captcha "+purpose, []byte(text)))
}

// Needed counts a start from an address and tells whether it has to clear the
// hurdle. o may be nil: what belongs to no organization counts as one of them.
func (s *Service) Needed(ctx context.Context, tx *store.Tx, o *org.Organization, ip string) (bool, error) {
	byAddress, err := throttle.Take(ctx, tx, "captcha-address:"+hex.EncodeToString(s.keys.Index("captcha address", throttle.Network(ip))), perAddress)
	if err != nil {
		return false, err
	}
	id := "-"
	if o != nil {
		id = o.ID
		switch o.Policy.Captcha {
		case org.CaptchaOff:
			return false, nil
		case org.CaptchaAlways:
			return true, nil
		}
	}
	byOrganization, err := throttle.Take(ctx, tx, "captcha-organization:"+id, perOrganization)
	return !byAddress.Allowed || !byOrganization.Allowed, err
}

// proof is what ALTCHA's browser side sends, as JSON in base64.
type proof struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	Number    int64  `json:"number"`
	Salt      string `json:"salt"`
	Signature string `json:"signature"`
}

// maxProof bounds what is looked at.
const maxProof = 2048

// Verify judges the field a form sent, and uses it up. Problem CaptchaNeeded,
// with RetryAfter when only more waiting is missing.
func (s *Service) Verify(ctx context.Context, tx *store.Tx, sent string) error {
	if sent == "" || len(sent) > maxProof {
		return problem.New(problem.CaptchaNeeded)
	}
	if rest, ok := strings.CutPrefix(sent, waitPrefix); ok {
		return s.verifyWait(ctx, tx, rest)
	}
	data, err := base64.StdEncoding.DecodeString(sent)
	if err != nil {
		return problem.New(problem.CaptchaNeeded)
	}
	var p proof
	if err := json.Unmarshal(data, &p); err != nil || p.Algorithm != algorithm || p.Number < 0 || p.Number > MaxNumber {
		return problem.New(problem.CaptchaNeeded)
	}
	if !hmac.Equal([]byte(p.Signature), []byte(s.sign("work", p.Challenge))) || work(p.Salt, p.Number) != p.Challenge {
		return problem.New(problem.CaptchaNeeded)
	}
	_, expires, ok := strings.Cut(p.Salt, "?expires=")
	until, err := strconv.ParseInt(expires, 10, 64)
	if !ok || err != nil || tx.Now().Unix() > until {
		return problem.New(problem.CaptchaNeeded)
	}
	return s.use(ctx, tx, p.Challenge)
}

func (s *Service) verifyWait(ctx context.Context, tx *store.Tx, text string) error {
	begun, signature, ok := cutLast(text, ".")
	if !ok || !hmac.Equal([]byte(signature), []byte(s.sign("wait", begun))) {
		return problem.New(problem.CaptchaNeeded)
	}
	_, at, _ := cutLast(begun, ".")
	since, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return problem.New(problem.CaptchaNeeded)
	}
	waited := tx.Now().Sub(time.Unix(since, 0))
	if waited < Wait {
		return problem.New(problem.CaptchaNeeded).After(Wait - waited)
	}
	if waited > Life {
		return problem.New(problem.CaptchaNeeded)
	}
	return s.use(ctx, tx, begun)
}

func cutLast(s, separator string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// use accepts each challenge once.
func (s *Service) use(ctx context.Context, tx *store.Tx, challenge string) error {
	verdict, err := throttle.Take(ctx, tx, "captcha-used:"+hex.EncodeToString(s.keys.Index("captcha used", challenge)), once)
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		return problem.New(problem.CaptchaNeeded)
	}
	return nil
}
