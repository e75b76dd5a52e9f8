package secret

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the keyset %s is not there; make one with: kunci init", path)
	}
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the keyset %s can be read by others (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	k, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("the keyset %s cannot be read: %w", path, err)
	}
	k.path = path
	return k, nil
}

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

// writeFile makes a new file and has it on disk before it returns.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Rotate adds a sealing key and makes it the one for new values; what older
// keys sealed still opens. The file is replaced in one step.
func (k *Keyset) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		return errors.New("keyset: write it to a file before rotating")
	}
	before := k.sealing
	manager := keyset.NewManagerFromHandle(before)
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
	folder, err := os.Open(filepath.Dir(k.path))
	if err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// String hides the keys from %v and %s.
func (k *Keyset) String() string { return "[hidden]" }

// GoString hides the keys from %#v.
func (k *Keyset) GoString() string { return "[hidden]" }

// MarshalJSON hides the keys from whoever prints a struct that holds them.
func (k *Keyset) MarshalJSON() ([]byte, error) { return []byte(`"[hidden]"`), nil }
