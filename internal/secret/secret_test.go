package secret_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/secret/secrettest"
)

func TestASealedValueOpensOnlyWhereItBelongs(t *testing.T) {
	keys := secrettest.NewTestKeyset(t)
	sealed, err := keys.Seal([]byte("alain@example.org"), "method|contoso|alain|1")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "alain") {
		t.Error("the sealed value can be read")
	}
	if plain, err := keys.Open(sealed, "method|contoso|alain|1"); err != nil || string(plain) != "alain@example.org" {
		t.Errorf("opened %q, error %v", plain, err)
	}
	if _, err := keys.Open(sealed, "method|contoso|bianca|1"); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("a value moved to another account opened: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := keys.Open(sealed, "method|contoso|alain|1"); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("a changed value opened: %v", err)
	}
	if _, err := secrettest.NewTestKeyset(t).Open(sealed, "method|contoso|alain|1"); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("another keyset opened it: %v", err)
	}
}

func TestTheFileIsPrivateAndNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kunci.keyset")
	keys := secrettest.NewTestKeyset(t)
	if err := keys.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, error %v", info.Mode(), err)
	}
	if err := keys.Write(path); err == nil {
		t.Error("an existing keyset was overwritten")
	}
	again, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.Seal([]byte("x"), "ad")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Open(sealed, "ad"); err != nil {
		t.Errorf("the file holds other keys: %v", err)
	}
	if string(keys.Index("a", "b")) != string(again.Index("a", "b")) {
		t.Error("the file derives otherwise")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a keyset others can read was opened, or without a way out: %v", err)
	}
	if _, err := secret.Open(path + ".none"); err == nil || !strings.Contains(err.Error(), "kunci init") {
		t.Errorf("a missing keyset: %v", err)
	}
}

func TestRotateKeepsOldValuesReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kunci.keyset")
	keys := secrettest.NewTestKeyset(t)
	if err := keys.Rotate(); err == nil {
		t.Error("rotated keys that are in no file")
	}
	if err := keys.Write(path); err != nil {
		t.Fatal(err)
	}
	before, err := keys.Seal([]byte("old"), "ad")
	if err != nil {
		t.Fatal(err)
	}
	index := keys.Index("p", "v")
	if err := keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	after, err := keys.Seal([]byte("new"), "ad")
	if err != nil {
		t.Fatal(err)
	}
	if string(before[:5]) == string(after[:5]) {
		t.Error("the new value is sealed under the old key")
	}
	again, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*secret.Keyset{keys, again} {
		for want, sealed := range map[string][]byte{"old": before, "new": after} {
			if plain, err := k.Open(sealed, "ad"); err != nil || string(plain) != want {
				t.Errorf("%s opened as %q, error %v", want, plain, err)
			}
		}
		if string(k.Index("p", "v")) != string(index) {
			t.Error("the blind index changed")
		}
	}
}

// Two processes rotate the same file, neither having seen the other's new key.
func TestRotateKeepsWhatAnotherProcessAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kunci.keyset")
	one := secrettest.NewTestKeyset(t)
	if err := one.Write(path); err != nil {
		t.Fatal(err)
	}
	two, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var sealed [][]byte
	for _, k := range []*secret.Keyset{one, two} {
		if err := k.Rotate(); err != nil {
			t.Fatal(err)
		}
		value, err := k.Seal([]byte("x"), "ad")
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, value)
	}
	again, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range sealed {
		if _, err := again.Open(value, "ad"); err != nil {
			t.Errorf("the key that process %d added is lost", i+1)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v after rotating, error %v", info.Mode(), err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := secrettest.NewTestKeyset(t).Write(path); err != nil {
		t.Fatal(err)
	}
	if err := one.Rotate(); err == nil {
		t.Error("another installation's keyset was written over")
	}
}

// A rotation that cannot write leaves the keys and the file as they were.
func TestARotationThatFailsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kunci.keyset")
	keys := secrettest.NewTestKeyset(t)
	if err := keys.Write(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := keys.Rotate(); err == nil {
		t.Fatal("rotated without a file")
	}
	sealed, err := keys.Seal([]byte("x"), "ad")
	if err != nil {
		t.Fatal(err)
	}
	again, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Open(sealed, "ad"); err != nil {
		t.Error("sealed under a key that is in no file")
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file changed, error %v", err)
	}
}

func TestDeriveKeepsItsPartsApart(t *testing.T) {
	keys := secrettest.NewTestKeyset(t)
	seen := make(map[string]string)
	for _, parts := range [][]string{{}, {""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a", "", "b"}} {
		var data [][]byte
		for _, p := range parts {
			data = append(data, []byte(p))
		}
		got := string(keys.Derive("p", data...))
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %s derive the same", parts, other)
		}
		seen[got] = fmt.Sprintf("%q", parts)
	}
	if string(keys.Index("a", "x")) == string(keys.Index("b", "x")) {
		t.Error("two purposes have one index")
	}
}

// fixedKeys are always the same, so that what is counted is too. They are
// nobody's: the file is in the repository.
func fixedKeys(t testing.TB) *secret.Keyset {
	t.Helper()
	data, err := os.ReadFile("testdata/fixed.json")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// What is derived is kept in databases: it must never come out otherwise.
func TestWhatIsDerivedStaysTheSame(t *testing.T) {
	keys := fixedKeys(t)
	for want, got := range map[string]string{
		"bff0439ac8c40647057a7b30c8c45f59a900888fdc2aeb8ba579e96ee43ad703": hex.EncodeToString(keys.Index("method.email", "alain@example.org")),
		"2ab10e3c65c24803885463228d6045fab8fee3a5394fda2171f816a6cf36100f": hex.EncodeToString(keys.Derive("purpose", []byte("a"), []byte("b"))),
		"94913354": keys.Code("purpose", 8, []byte("a")),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Every digit at every place is equally likely (chi-square, 9 degrees of
// freedom: 27.9 is passed by chance once in a thousand tests).
func TestCodesAreUniform(t *testing.T) {
	keys := fixedKeys(t)
	const draws, digits = 100_000, 8
	var counts [digits][10]int
	for n := range draws {
		code := keys.Code("test", digits, fmt.Append(nil, n))
		if len(code) != digits {
			t.Fatalf("%q has not %d digits", code, digits)
		}
		for place, digit := range code {
			counts[place][digit-'0']++
		}
	}
	for place := range counts { // the leading digit is place 0
		chi := 0.0
		for _, seen := range counts[place] {
			d := float64(seen) - draws/10
			chi += d * d / (draws / 10)
		}
		if chi > 27.9 {
			t.Errorf("place %d: chi-square %.1f over %v", place, chi, counts[place])
		}
	}
	if first, again := keys.Code("test", 8, []byte("n")), keys.Code("test", 8, []byte("n")); first != again {
		t.Error("a code is not the same twice")
	}
	if keys.Code("test", 8, []byte("n")) == keys.Code("other", 8, []byte("n")) {
		t.Error("two purposes have the same code")
	}
}

func TestCheckpointsAreSignedAndChecked(t *testing.T) {
	keys := secrettest.NewTestKeyset(t)
	signer, err := keys.Signer("kunci.example/log")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "kunci.example/log\n1\nAAAA\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := keys.Verifier("kunci.example/log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(verifier)); err != nil {
		t.Error(err)
	}
	other, err := secrettest.NewTestKeyset(t).Verifier("kunci.example/log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(other)); err == nil {
		t.Error("another installation's key accepts the signature")
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	keys := secrettest.NewTestKeyset(t)
	data, err := json.Marshal(struct{ Keys *secret.Keyset }{keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(keys), fmt.Sprintf("%+v", keys), fmt.Sprintf("%#v", keys)} {
		if shown != "[hidden]" {
			t.Errorf("printed as %q", shown)
		}
	}
	if string(data) != `{"Keys":"[hidden]"}` {
		t.Errorf("marshalled as %s", data)
	}
	for name, handler := range map[string]func(io.Writer, *slog.HandlerOptions) slog.Handler{
		"text": func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) },
		"json": func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) },
	} {
		var line strings.Builder
		slog.New(handler(&line, nil)).Info("x", "keys", keys)
		if !strings.Contains(line.String(), "[hidden]") || len(line.String()) > 200 {
			t.Errorf("logged as %s: %s", name, line.String())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"sealing":{},"deriving":{},"signing":"AAAA"}`))
	f.Add([]byte(`{}`))
	if whole, err := os.ReadFile("testdata/fixed.json"); err == nil {
		f.Add(whole)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := secret.Parse(data)
		if err == nil {
			if _, err := keys.Seal([]byte("x"), ""); err != nil {
				t.Errorf("a keyset that was accepted does not seal: %v", err)
			}
		}
	})
}
