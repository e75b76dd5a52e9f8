package ldap

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
)

// readable gives a password as it is sent; false for what no directory can take.
func readable(pw string) (string, bool) {
	if _, ok := password.Normalize(pw); !ok || pw == "" {
		return "", false
	}
	return norm.NFC.String(pw), true
}

// CheckPassword implements directory.Directory: one bind on a connection of its
// own. The server counts what is wrong.
func (d *Directory) CheckPassword(ctx context.Context, key, pw string) (directory.CheckResult, error) {
	pw, ok := readable(pw)
	if !ok {
		return directory.Wrong, nil
	}
	var result directory.CheckResult
	err := d.step(ctx, key, false, func(ctx context.Context, c *conn) error {
		p, err := d.get(ctx, c, key)
		if errors.Is(err, directory.ErrNotFound) {
			result = directory.Wrong
			return d.pretend(ctx, c, pw)
		}
		if err != nil {
			return err
		}
		leave, err := d.turns.enter(ctx, key)
		if err != nil {
			return err
		}
		defer leave()
		start := time.Now()
		own, controls, err := c.server.bound(ctx, p.dn, pw, policyControl())
		if own != nil {
			defer own.close()
		}
		answer := err
		if result, err = d.dialect.judge(p, controls, answer); err != nil {
			return err
		}
		if !looked(p, result, answer) {
			d.pause(ctx, start)
			return nil
		}
		d.pace.note(time.Since(start))
		if result.Right() {
			result = also(result, p.Entry)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return result, nil
}

// looked tells whether the server compared the password at all. One that refuses
// a locked or inactive account, or one without a password, answers sooner.
func looked(p person, result directory.CheckResult, err error) bool {
	code, _ := resultOf(err)
	return err == nil || p.HasPassword && result != directory.Locked && code == ldap.LDAPResultInvalidCredentials
}

// also adds what the entry says beside a right password.
func also(result directory.CheckResult, e directory.Entry) directory.CheckResult {
	switch {
	case e.Disabled:
		return directory.Disabled
	case result == directory.OK && e.MustChange:
		return directory.MustChange
	}
	return result
}

// pretend takes the time that a wrong password of somebody takes: the same
// connection, a bind of nobody, and the rest of what a recent one took.
func (d *Directory) pretend(ctx context.Context, c *conn, pw string) error {
	start := time.Now()
	own, _, err := c.server.bound(ctx, "cn=nobody,"+d.set.BaseDN, pw, policyControl())
	if own != nil {
		own.close()
	}
	if _, answered := resultOf(err); err != nil && !answered {
		return unavailable(err)
	}
	d.pause(ctx, start)
	return nil
}

// pause waits until a step that began at start has taken as long as a recent one
// in which the server compared a password.
func (d *Directory) pause(ctx context.Context, start time.Time) {
	rest := d.pace.recent() - time.Since(start)
	if rest <= 0 {
		return
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// pace remembers how long the last binds took.
type pace struct {
	mu   sync.Mutex
	took [32]time.Duration
	n    int
}

func (p *pace) note(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took[p.n%len(p.took)] = took
	p.n++
}

// recent is one of the last, whichever.
func (p *pace) recent() time.Duration {
	var b [1]byte
	_, _ = rand.Read(b[:]) // it never fails
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return 0
	}
	return p.took[int(b[0])%min(p.n, len(p.took))]
}

// uncertain remembers writes whose answers were lost, so that the same password,
// tried again, is not refused as one that was used before. Only a keyed hash is
// kept, in memory, for a while.
type uncertain struct {
	mu    sync.Mutex
	key   []byte
	marks map[string]mark
}

type mark struct {
	hash [sha256.Size]byte
	at   time.Time
}

// remembersUncertain is as long as what a person proved counts.
const (
	remembersUncertain = 15 * time.Minute
	mostUncertain      = 1000
)

func (u *uncertain) hash(key, pw string) (sum [sha256.Size]byte) {
	if u.key == nil {
		u.key = make([]byte, sha256.Size)
		_, _ = rand.Read(u.key) // it never fails
	}
	h := hmac.New(sha256.New, u.key)
	h.Write([]byte(key + "\x00" + pw))
	copy(sum[:], h.Sum(nil))
	return sum
}

func (u *uncertain) note(key, pw string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks == nil || len(u.marks) >= mostUncertain {
		u.marks = make(map[string]mark)
	}
	u.marks[key] = mark{u.hash(key, pw), now}
}

// has tells whether this very write was begun a while ago and never answered.
func (u *uncertain) has(key, pw string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	m, ok := u.marks[key]
	sum := u.hash(key, pw)
	return ok && now.Sub(m.at) < remembersUncertain && hmac.Equal(m.hash[:], sum[:])
}

func (u *uncertain) forget(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.marks, key)
}
