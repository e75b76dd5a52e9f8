package password

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/problem"
)

// testKeys is a keyset of one key.
type testKeys struct {
	key   string
	calls *atomic.Int64
}

func (k testKeys) Derive(purpose string, data ...[]byte) []byte {
	if k.calls != nil && purpose == "password.hash" {
		k.calls.Add(1)
	}
	m := hmac.New(sha256.New, []byte(k.key+"\x00"+purpose))
	for _, d := range data {
		m.Write([]byte{byte(len(d))})
		m.Write(d)
	}
	return m.Sum(nil)
}

var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func hasher(t *testing.T, p Params) (*Hasher, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	h, err := New(HasherDeps{Keys: testKeys{"one", &calls}, Params: p})
	if err != nil {
		t.Fatal(err)
	}
	return h, &calls
}

func verify(t *testing.T, h *Hasher, encoded, pw string) (ok, renew bool) {
	t.Helper()
	ok, renew, err := h.Verify(t.Context(), encoded, pw)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return ok, renew
}

func hash(t *testing.T, h *Hasher, pw string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), pw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestVerify(t *testing.T) {
	h, _ := hasher(t, cheap)
	long := strings.Repeat("a", 72)
	for _, c := range []struct {
		name, set, try string
		want           bool
	}{
		{"the same", "hijau daun", "hijau daun", true},
		{"another", "hijau daun", "hijau daum", false},
		{"case counts", "hijau daun", "Hijau daun", false},
		{"a space at the end counts", "hijau daun", "hijau daun ", false},
		{"composed and decomposed are the same", "ren\u00e9", "rene\u0301", true},
		{"nothing is cut at 72 bytes", long + "b", long + "c", false},
		{"NUL ends nothing", "hijau daun", "hijau daun\x00", false},
		{"empty", "hijau daun", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			encoded := hash(t, h, c.set)
			if ok, renew := verify(t, h, encoded, c.try); ok != c.want || renew {
				t.Errorf("ok %v renew %v", ok, renew)
			}
		})
	}
}

func TestHashIsSaltedAndKeyed(t *testing.T) {
	h, _ := hasher(t, cheap)
	a, b := hash(t, h, "hijau daun"), hash(t, h, "hijau daun")
	if a == b {
		t.Error("two accounts with one password have one text")
	}
	other, err := New(HasherDeps{Keys: testKeys{key: "two"}, Params: cheap})
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := verify(t, other, a, "hijau daun"); ok {
		t.Error("judged right under another key: the output is not keyed")
	}
}

func TestRenewWhenParametersChange(t *testing.T) {
	old, _ := hasher(t, cheap)
	now, _ := hasher(t, Params{Memory: 128, Time: 1, Threads: 1})
	encoded := hash(t, old, "hijau daun")
	if ok, renew := verify(t, now, encoded, "hijau daun"); !ok || !renew {
		t.Fatalf("ok %v renew %v", ok, renew)
	}
	renewed, err := now.Renew(t.Context(), "hijau daun", []string{encoded})
	if err != nil {
		t.Fatal(err)
	}
	if ok, renew := verify(t, now, renewed, "hijau daun"); !ok || renew {
		t.Errorf("renewed: ok %v renew %v", ok, renew)
	}
}

func TestReplaceJudgesHistoryWithOneHash(t *testing.T) {
	h, calls := hasher(t, cheap)
	stored := []string{hash(t, h, "one")}
	for _, pw := range []string{"two", "three", "four"} {
		next, used, err := h.Replace(t.Context(), pw, stored, 5)
		if err != nil || used {
			t.Fatalf("%s: used %v, %v", pw, used, err)
		}
		stored = append([]string{next}, stored...)
	}
	for pw, want := range map[string]bool{"one": true, "two": true, "four": true, "five": false} {
		calls.Store(0)
		_, used, err := h.Replace(t.Context(), pw, stored, 5)
		if err != nil || used != want {
			t.Errorf("%s: used %v, %v", pw, used, err)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%s: %d slow hashes", pw, n)
		}
	}
}

func TestReplaceRefusesOnlyAsManyAsAsked(t *testing.T) {
	h, _ := hasher(t, cheap)
	stored := []string{hash(t, h, "two"), hash(t, h, "one")}
	for pw, want := range map[string]bool{"two": true, "one": false} {
		if _, used, err := h.Replace(t.Context(), pw, stored, 1); err != nil || used != want {
			t.Errorf("%s: used %v, %v", pw, used, err)
		}
	}
	encoded, used, err := h.Replace(t.Context(), "two", stored, 0)
	if err != nil || used || encoded != stored[0] {
		t.Errorf("without history: used %v, the account's salt kept: %v, %v", used, encoded == stored[0], err)
	}
}

func TestReplaceSeesHistoryOfOtherParametersAndSchemes(t *testing.T) {
	old, _ := hasher(t, cheap)
	now, _ := hasher(t, Params{Memory: 128, Time: 1, Threads: 1})
	past := []string{hash(t, old, "one"), samples["sha512-crypt"]}
	for pw, want := range map[string]bool{"one": true, "password": true, "two": false} {
		_, used, err := now.Replace(t.Context(), pw, past, 2)
		if err != nil || used != want {
			t.Errorf("%s: used %v, %v", pw, used, err)
		}
	}
}

func TestFingerprintKnowsARepeatedTry(t *testing.T) {
	h, _ := hasher(t, cheap)
	for name, encoded := range map[string]string{"own": hash(t, h, "right"), "imported": samples["sha512-crypt"]} {
		try := func(pw string) []byte {
			r, err := h.Try(t.Context(), encoded, pw)
			if err != nil || r.OK {
				t.Fatalf("%s: %+v %v", name, r, err)
			}
			return r.Fingerprint
		}
		if !bytes.Equal(try("wrong"), try("wrong")) || bytes.Equal(try("wrong"), try("wrong2")) {
			t.Errorf("%s: fingerprints do not tell tries apart", name)
		}
	}
	a, _ := h.Try(t.Context(), hash(t, h, "right"), "wrong")
	b, _ := h.Try(t.Context(), hash(t, h, "right"), "wrong")
	if bytes.Equal(a.Fingerprint, b.Fingerprint) {
		t.Error("two accounts share a fingerprint")
	}
}

func TestHashRefusesWhatNoPasswordIs(t *testing.T) {
	h, _ := hasher(t, cheap)
	for _, pw := range []string{"a\x00b", "a\nb", "\xff", strings.Repeat("a", maxBytes+1)} {
		if _, err := h.Hash(t.Context(), pw, nil); !problem.Has(err, problem.BadInput) {
			t.Errorf("%.10q: %v", pw, err)
		}
	}
}

// blocking holds every hash until it is let go.
type blocking struct {
	entered chan struct{}
	letGo   chan struct{}
}

func (b blocking) Derive(string, ...[]byte) []byte {
	b.entered <- struct{}{}
	<-b.letGo
	return make([]byte, keyedSize)
}

func TestTooManyAtOnceAreBusy(t *testing.T) {
	keys := blocking{make(chan struct{}), make(chan struct{})}
	h, err := New(HasherDeps{Keys: keys, MaxConcurrent: 1, MaxWaiting: 1, Params: cheap})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	run := func() {
		wg.Go(func() {
			if _, err := h.Hash(context.Background(), "hijau daun", nil); err != nil {
				t.Errorf("one of the admitted: %v", err)
			}
		})
	}
	run()
	<-keys.entered // it holds all memory
	h.turn.room <- struct{}{}
	_, err = h.Hash(t.Context(), "hijau daun", nil)
	p, ok := problem.As(err)
	if !ok || p.Code != problem.Busy || p.RetryAfter < time.Second {
		t.Errorf("the third: %v", err)
	}
	<-h.turn.room
	run()
	keys.letGo <- struct{}{}
	<-keys.entered // the second came in only after the first left
	keys.letGo <- struct{}{}
	wg.Wait()
}

func TestWaitingEndsWithTheRequest(t *testing.T) {
	h, _ := hasher(t, cheap)
	if err := h.turn.memory.Acquire(t.Context(), h.turn.total); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "hijau daun", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if len(h.turn.room) != 0 {
		t.Error("its place in the queue is not given back")
	}
}
