package secret

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keyset holds an installation's keys. It is safe for concurrent use and
// prints as "[hidden]".
type Keyset struct {
	path string // where Rotate writes; empty while it was never written or read

	mu      sync.RWMutex
	sealing *keyset.Handle
	aead    tink.AEAD

	deriving *keyset.Handle
	prf      *prf.Set
	signing  ed25519.PrivateKey
}

// file is the keyset as it is kept.
type file struct {
	Version  int             `json:"version"`
	Sealing  json.RawMessage `json:"sealing"`  // Tink keyset, AES256-GCM
	Deriving json.RawMessage `json:"deriving"` // Tink keyset, HMAC-SHA-256 PRF
	Signing  []byte          `json:"signing"`  // Ed25519 seed
}

const fileVersion = 1

// Generate makes new keys.
func Generate() (*Keyset, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	deriving, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	return assemble(sealing, deriving, signing)
}

func assemble(sealing, deriving *keyset.Handle, signing ed25519.PrivateKey) (*Keyset, error) {
	k := &Keyset{sealing: sealing, deriving: deriving, signing: signing}
	var err error
	if k.aead, err = aead.New(sealing); err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	if k.prf, err = prf.NewPRFSet(deriving); err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	return k, nil
}

// Open reads a keyset file. A file that others on the machine may read is
// refused: its keys must be taken for known.
func Open(path string) (*Keyset, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	k, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("the keyset %s cannot be read: %w", path, err)
	}
	k.path = path
	return k, nil
}

// readFile looks at the mode of the very file that it reads: asked by name, it
// could be another one by then.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the keyset %s is not there; make one with: kunci init", path)
	}
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the keyset %s can be read by others (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, largestFile))
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	return data, nil
}

// largestFile bounds what is read: a thousand rotations take about 300 kB.
const largestFile = 1 << 20

// Parse reads a keyset from the text of its file.
func Parse(data []byte) (*Keyset, error) {
	var f file
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, errors.New("it is not a keyset file") // the decoder's words could quote a key
	}
	if f.Version != fileVersion {
		return nil, fmt.Errorf("it has version %d, this program reads version %d", f.Version, fileVersion)
	}
	if len(f.Signing) != ed25519.SeedSize {
		return nil, errors.New("its signing key is damaged")
	}
	sealing, err := readHandle(f.Sealing)
	if err != nil {
		return nil, errors.New("its sealing keys are damaged")
	}
	deriving, err := readHandle(f.Deriving)
	if err != nil {
		return nil, errors.New("its deriving key is damaged")
	}
	return assemble(sealing, deriving, ed25519.NewKeyFromSeed(f.Signing))
}

func readHandle(data []byte) (*keyset.Handle, error) {
	return insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
}

func writeHandle(h *keyset.Handle) (json.RawMessage, error) {
	var b bytes.Buffer
	err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b))
	return b.Bytes(), err
}

func (k *Keyset) marshal() ([]byte, error) {
	sealing, err := writeHandle(k.sealing)
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	deriving, err := writeHandle(k.deriving)
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	return json.Marshal(file{Version: fileVersion, Sealing: sealing, Deriving: deriving, Signing: k.signing.Seed()})
}

// Write makes the file, with mode 0600; it never overwrites one.
func (k *Keyset) Write(path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	data, err := k.marshal()
	if err != nil {
		return err
	}
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("the keyset cannot be written: %w", err)
	}
	k.path = path
	return nil
}

// writeFile makes a new file and has it on disk before it returns. What it
// could not finish it takes away again.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncFolder(path)
}

// syncFolder has the name of a file on disk.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Rotate adds a sealing key and makes it the one for new values; what older
// keys sealed still opens. The file is replaced in one step. Other processes
// that have the keyset open seal and open with what they read: restart them
// before anything is sealed here that they must open.
func (k *Keyset) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		return errors.New("keyset: write it to a file before rotating")
	}
	// Another process may have rotated since this one read the file. Its key
	// must stay, or what it sealed is lost.
	there, err := Open(k.path)
	if err != nil {
		return err
	}
	if !there.signing.Equal(k.signing) || !bytes.Equal(there.Derive("rotate"), k.Derive("rotate")) {
		return fmt.Errorf("the keyset %s was replaced by another one since it was opened; nothing was changed", k.path)
	}
	manager := keyset.NewManagerFromHandle(there.sealing)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = manager.SetPrimary(id)
	}
	if err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	after, err := manager.Handle()
	if err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	primitive, err := aead.New(after)
	if err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	before := k.sealing
	k.sealing = after
	if err := k.replace(); err != nil {
		k.sealing = before
		return err
	}
	k.aead = primitive
	return nil
}

// replace writes beside the file and renames over it, so that a crash leaves
// the old keys or the new ones, never half a file.
func (k *Keyset) replace() error {
	data, err := k.marshal()
	if err != nil {
		return err
	}
	temporary := k.path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keyset: %w", err)
	}
	if err := writeFile(temporary, data); err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	if err := os.Rename(temporary, k.path); err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	if err := syncFolder(k.path); err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	return nil
}

// String hides the keys from %v and %s.
func (k *Keyset) String() string { return "[hidden]" }

// GoString hides the keys from %#v.
func (k *Keyset) GoString() string { return "[hidden]" }

// MarshalJSON hides the keys from whoever prints a struct that holds them.
func (k *Keyset) MarshalJSON() ([]byte, error) { return []byte(`"[hidden]"`), nil }

// LogValue hides the keys from log lines.
func (k *Keyset) LogValue() slog.Value { return slog.StringValue("[hidden]") }
