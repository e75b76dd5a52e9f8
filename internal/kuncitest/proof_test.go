package kuncitest_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
)

// proof is what console and API give out.
type proof struct {
	LeafIndex     int64    `json:"leaf_index"`
	LeafHashInput []byte   `json:"leaf_hash_input"`
	Hashes        [][]byte `json:"hashes"`
	Checkpoint    string   `json:"checkpoint"`
	PublicKey     string   `json:"public_key"`
}

// rootOf is RFC 6962's Merkle audit path (2.1.1), followed up from a leaf as RFC
// 9162, 2.1.3.2 writes it down.
func rootOf(p proof, size int64) (root [32]byte, err error) {
	node := func(left, right []byte) [32]byte {
		return sha256.Sum256(append(append([]byte{1}, left...), right...))
	}
	root = sha256.Sum256(append([]byte{0}, p.LeafHashInput...))
	at, last := p.LeafIndex, size-1
	if at < 0 || at > last {
		return root, fmt.Errorf("leaf %d of %d", at, size)
	}
	for _, hash := range p.Hashes {
		if last == 0 {
			return root, fmt.Errorf("too many hashes")
		}
		if at&1 == 1 || at == last {
			root = node(hash, root[:])
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			root = node(root[:], hash)
		}
		at, last = at>>1, last>>1
	}
	if last != 0 {
		return root, fmt.Errorf("too few hashes")
	}
	return root, nil
}

// opened reads a C2SP tlog-checkpoint whose signature (C2SP signed-note) holds.
func opened(p proof) (size int64, root string, err error) {
	text, signatures, ok := strings.Cut(p.Checkpoint, "\n\n")
	lines := strings.Split(text, "\n")
	parts := strings.SplitN(p.PublicKey, "+", 3)
	if !ok || len(lines) != 3 || len(parts) != 3 || lines[0] != parts[0] {
		return 0, "", fmt.Errorf("the form of checkpoint or key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return 0, "", fmt.Errorf("the key: %w", err)
	}
	if len(key) != 1+ed25519.PublicKeySize || key[0] != 1 {
		return 0, "", errors.New("the key has another form")
	}
	signature, ok := strings.CutPrefix(strings.TrimSpace(signatures), "— "+parts[0]+" ")
	signed, err := base64.StdEncoding.DecodeString(signature)
	if !ok || err != nil || len(signed) != 4+ed25519.SignatureSize || !ed25519.Verify(key[1:], []byte(text+"\n"), signed[4:]) {
		return 0, "", errors.New("the signature does not hold")
	}
	size, err = strconv.ParseInt(lines[1], 10, 64)
	return size, lines[2], err
}

func holds(p proof) error {
	size, want, err := opened(p)
	if err != nil {
		return err
	}
	root, err := rootOf(p, size)
	if err == nil && base64.StdEncoding.EncodeToString(root[:]) != want {
		err = fmt.Errorf("it leads to another root")
	}
	return err
}

// Every event can be proved to somebody who has nothing of this program: the
// verification here is written from the standards, without the library that made
// the proof.
func TestAnEventIsProvedOffline(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "auditor@contoso.com", true)
		for range 9 {
			atDesk(t, p, "owner@contoso.com", true).Post("/console/people/"+keyOf(t, p, "alain@contoso.com"), "act", "freeze")
		}
		if err := p.App.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := newProgram(t, p, "contoso", org.Auditor)
		events := p.Events()
		checked := 0
		for _, e := range events {
			got := c.do(http.MethodGet, api+"/audit/events/"+e.ID+"/proof", "")
			if e.Org != p.Organization().ID {
				if got.status != http.StatusNotFound {
					t.Errorf("another organization's: %d", got.status)
				}
				continue
			}
			// The node gives places at any time: one without a place when the events
			// were read may have one by now.
			if e.Leaf < 0 && got.status == http.StatusNotFound {
				continue
			}
			var one proof
			if err := json.Unmarshal([]byte(got.body), &one); err != nil {
				t.Fatal(got.body)
			}
			if err := holds(one); err != nil || (e.Leaf >= 0 && one.LeafIndex != e.Leaf) {
				t.Errorf("leaf %d: %v", e.Leaf, err)
			}
			if strings.Contains(string(one.LeafHashInput), "@contoso.com") {
				t.Error("a proof names somebody")
			}
			checked++
			for name, change := range map[string]func(*proof){
				"the event":      func(p *proof) { p.LeafHashInput = append([]byte("x"), p.LeafHashInput...) },
				"its place":      func(p *proof) { p.LeafIndex++ },
				"a hash":         func(p *proof) { p.Hashes[0][3] ^= 1 },
				"one hash less":  func(p *proof) { p.Hashes = p.Hashes[1:] },
				"the checkpoint": func(p *proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n", "\n1", 1) },
			} {
				var bent proof
				if err := json.Unmarshal([]byte(got.body), &bent); err != nil {
					t.Fatal(err)
				}
				if change(&bent); holds(bent) == nil {
					t.Errorf("%s was changed, and it still holds", name)
				}
			}
		}
		if checked < 8 {
			t.Errorf("%d events were proved", checked)
		}
		page := b.Get("/console/audit").Want(http.StatusOK, "console-audit")
		var one proof
		file := b.Get(page.Links("/console/audit/events/")[0])
		if err := json.Unmarshal([]byte(file.Body), &one); err != nil || holds(one) != nil {
			t.Errorf("from the console: %v, %v", err, holds(one))
		}
	})
}

// What happened to one person is found by a form, and nobody stands in an address.
func TestTheLogIsSearchedByPerson(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		owner := atDesk(t, p, "owner@contoso.com", true)
		owner.Post("/console/people/"+keyOf(t, p, "alain@contoso.com"), "act", "freeze")
		owner.Post("/console/people/"+keyOf(t, p, "citra@contoso.com"), "act", "clear_limits")
		b := atDesk(t, p, "auditor@contoso.com", true)
		page := b.Post("/console/audit", "user_id", "alain@contoso.com", "kind", "", "from", "", "to", "").Want(http.StatusOK, "console-audit")
		if !strings.Contains(page.Text(), "frozen") || strings.Contains(page.Text(), "citra@contoso.com") {
			t.Errorf("Alain's: %s", page.Text())
		}
		if page := b.Post("/console/audit", "user_id", "nobody@contoso.com"); page.Status != http.StatusOK || strings.Contains(page.Text(), "frozen") {
			t.Errorf("nobody's: %d %s", page.Status, page.Text())
		}
		if page := b.Get("/console/audit?user_id=citra%40contoso.com"); !strings.Contains(page.Text(), "frozen") {
			t.Error("an address picks a person")
		}
		c := newProgram(t, p, "contoso", org.Auditor)
		if got := c.do(http.MethodPost, api+"/audit/events/find", `{"user_id":"citra@contoso.com"}`); !strings.Contains(got.body, "throttle.cleared") || strings.Contains(got.body, "frozen") {
			t.Errorf("Citra's: %d %s", got.status, got.body)
		}
	})
}

// An auditor who kept a checkpoint sees in the console, without the operator, that the
// log continues it; days and sizes that are none are said at their field.
func TestTheLogContinuesAKeptCheckpoint(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		owner := atDesk(t, p, "owner@contoso.com", true)
		act := func(what string) {
			t.Helper()
			owner.Post("/console/people/"+keyOf(t, p, "alain@contoso.com"), "act", what)
			if err := p.App.Audit.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		act("freeze")
		b := atDesk(t, p, "auditor@contoso.com", true)
		kept := b.Get("/console/audit/checkpoint").Body
		size := strings.Split(kept, "\n")[1]
		act("unfreeze")
		c := newProgram(t, p, "contoso", org.Auditor)
		for where, body := range map[string]string{
			"the console": b.Get("/console/audit/consistency?size=" + size).Body, "the API": c.do(http.MethodGet, api+"/audit/consistency?size="+size, "").body,
		} {
			var proof struct {
				audit.Consistency
				PublicKey string `json:"public_key"`
			}
			if err := json.Unmarshal([]byte(body), &proof); err != nil {
				t.Fatalf("%s: %s", where, body)
			}
			if err := proof.Check(proof.PublicKey, kept); err != nil || proof.Checkpoint == kept || len(proof.Hashes) == 0 {
				t.Errorf("%s: %v, %s", where, err, body)
			}
		}
		for query, code := range map[string]string{"consistency?size=999999": "log-shorter", "consistency?size=banyak": "log-shorter"} {
			page := b.Get("/console/audit/"+query).Want(http.StatusUnprocessableEntity, "console-audit")
			if typed, _ := page.Field("size"); page.Alert() != code || typed != strings.TrimPrefix(query, "consistency?size=") {
				t.Errorf("%s: %q, typed %q", query, page.Alert(), typed)
			}
		}
		if got := c.do(http.MethodGet, api+"/audit/consistency?size=999999", ""); got.status != http.StatusUnprocessableEntity || got.code() != "log-shorter" {
			t.Errorf("more than there are: %d %s", got.status, got.body)
		}
		page := b.Post("/console/audit", "user_id", "alain@contoso.com", "from", "2026-11-02", "to", "2026-11-01").Want(http.StatusUnprocessableEntity, "console-audit")
		if from, _ := page.Field("from"); page.Alert() != "days-wrong" || from != "2026-11-02" || !strings.Contains(page.Body, `value="alain@contoso.com"`) {
			t.Errorf("days that are none: %q, typed %q", page.Alert(), from)
		}
		// What the owner did as an administrator, and nobody else's.
		page = b.Post("/console/audit", "user_id", "owner@contoso.com", "as", "administrator").Want(http.StatusOK, "console-audit")
		if n := len(page.Links("/console/audit/events/")); n != 2 || !strings.Contains(page.Text(), "frozen") {
			t.Errorf("the owner did %d things: %s", n, page.Text())
		}
		if page := b.Post("/console/audit", "user_id", "alain@contoso.com", "as", "administrator"); len(page.Links("/console/audit/events/")) != 0 {
			t.Errorf("Alain is no administrator: %s", page.Text())
		}
		if got := c.do(http.MethodPost, api+"/audit/events/find", `{"user_id":"owner@contoso.com","as":"administrator"}`); strings.Count(got.body, `"leaf"`) != 2 {
			t.Errorf("in the API: %d %s", got.status, got.body)
		}
		if export := b.Post("/console/audit/export", "user_id", "owner@contoso.com", "as", "administrator"); strings.Count(export.Body, "\n") != 2 {
			t.Errorf("exported: %s", export.Body)
		}
	})
}
