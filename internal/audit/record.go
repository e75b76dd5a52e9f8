package audit

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// Deps are what the room stands on.
type Deps struct {
	DB   *store.DB
	Keys *secret.Keyset
	// Origin names the log in its checkpoints, for example "kunci.contoso.com/audit".
	Origin string
	Log    *slog.Logger
}

// Service records events and keeps the log over them.
type Service struct{ deps Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Keys == nil || d.Origin == "" || d.Log == nil {
		return nil, errors.New("audit: DB, Keys, Origin and Log are needed")
	}
	return &Service{d}, nil
}

// row is an event as it is kept: what identifies people is sealed.
type row struct {
	id, org     string
	at          int64
	kind        string
	outcome     string
	reason      string
	actorKind   string
	actor       string
	target      string
	methodID    string
	methodKind  string
	correlation string
	detail      string
	actorKey    string // the person key that actorData is sealed under
	actorData   []byte
	targetKey   string
	targetData  []byte
	leaf        int64 // -1: waiting
}

// who is what an event seals about a person.
type who struct {
	UserID    string `json:"u,omitempty"`
	IP        string `json:"i,omitempty"`
	UserAgent string `json:"a,omitempty"`
}

// Record writes an event in the caller's transaction. When it fails the
// transaction must not commit: what is not recorded did not happen.
func (s *Service) Record(ctx context.Context, tx *store.Tx, by Actor, e Event) error {
	if err := e.check(by); err != nil {
		return err
	}
	if unlisted(e.Reason) {
		s.deps.Log.ErrorContext(ctx, Unlisted, "kind", string(e.Kind), "reason", clean(e.Reason))
	}
	detail := make(map[string]string, len(e.Detail))
	for name, value := range e.Detail {
		detail[clean(name)] = clean(value)
	}
	text, err := json.Marshal(detail) // sorts its keys, so the text is the same every time
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	r := row{
		id: store.NewID(), org: clean(e.Org), at: store.Micros(tx.Now()),
		kind: string(e.Kind), outcome: string(e.Outcome), reason: clean(e.Reason),
		actorKind: string(by.Kind), actor: clean(by.Account), target: clean(e.Target),
		methodID: clean(e.MethodID), methodKind: clean(e.MethodKind), correlation: clean(by.Correlation),
		detail: string(text), leaf: -1,
	}
	actor := who{clean(by.UserID), clean(by.IP), clean(by.UserAgent)}
	whose := r.actor
	if whose == "" && (by.Kind == Anonymous || by.Kind == Person) {
		// Somebody unknown who tries to be a person left an address on that person's
		// account: it goes with them.
		whose = r.target
	}
	var keys personKeys
	if r.actorKey, r.actorData, err = s.sealFor(ctx, tx, &keys, r, "actor", whose, actor); err != nil {
		return err
	}
	if e.TargetUserID != "" {
		target := who{UserID: clean(e.TargetUserID)}
		if r.targetKey, r.targetData, err = s.sealFor(ctx, tx, &keys, r, "target", r.target, target); err != nil {
			return err
		}
	}
	if err := insertEvent(ctx, tx, r); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// sealFor seals what identifies a person under that person's key of the month, so
// that older ones can be destroyed while the person stays. Somebody unknown shares
// the key of the organization and the day, so that addresses and user agents of
// strangers can be erased too.
func (s *Service) sealFor(ctx context.Context, tx *store.Tx, keys *personKeys, r row, part, account string, w who) (string, []byte, error) {
	if w == (who{}) {
		return "", nil, nil
	}
	at := store.Time(r.at)
	o := owner{subject: subjectOfMonth(account, at), owner: s.deps.Keys.Index("audit.person", subjectOf(account)), lastDay: lastOfMonth(at)}
	if account == "" {
		o = owner{subject: subjectOfDay(r.org, at), owner: []byte{}, lastDay: dayOf(at)}
	}
	id, box, err := s.boxOf(ctx, tx, keys, o)
	if err != nil {
		return "", nil, err
	}
	plain, err := json.Marshal(w)
	if err != nil {
		return "", nil, fmt.Errorf("audit: %w", err)
	}
	nonce := make([]byte, box.NonceSize(), box.NonceSize()+len(plain)+box.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", nil, fmt.Errorf("audit: %w", err)
	}
	return id, box.Seal(nonce, nonce, plain, []byte(part+"|"+r.id)), nil
}

// personKeys are the one key of an event so far: who acts is mostly whom it is about.
type personKeys struct {
	subject, id string
	box         cipher.AEAD
}

// boxOf gives the key of an owner, which is looked up once for an event.
func (s *Service) boxOf(ctx context.Context, tx *store.Tx, keys *personKeys, o owner) (string, cipher.AEAD, error) {
	if keys.box != nil && keys.subject == o.subject {
		return keys.id, keys.box, nil
	}
	id, key, err := s.personKey(ctx, tx, o)
	if err != nil {
		return "", nil, err
	}
	made, err := box(key)
	if err != nil {
		return "", nil, err
	}
	*keys = personKeys{o.subject, id, made}
	return id, made, nil
}

func box(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return cipher.NewGCM(block)
}

// owner is whom a key is for: what it is found by, what all of a person's have in
// common (empty for strangers), and the last day whose events it seals.
type owner struct {
	subject string
	owner   []byte
	lastDay int64
}

// personKey finds the living key of a subject or makes one.
func (s *Service) personKey(ctx context.Context, tx *store.Tx, o owner) (string, []byte, error) {
	index := s.deps.Keys.Index("audit.person", o.subject)
	id, sealed, err := selectPerson(ctx, tx, index)
	if errors.Is(err, store.ErrNoRows) {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return "", nil, fmt.Errorf("audit: %w", err)
		}
		newID := store.NewID()
		made, err := s.deps.Keys.Seal(key, personAD(newID, index))
		if err != nil {
			return "", nil, err
		}
		// Another transaction may have made it in between; then its row is read.
		if err := insertPerson(ctx, tx, newID, index, made, o); err != nil {
			return "", nil, fmt.Errorf("audit: %w", err)
		}
		id, sealed, err = selectPerson(ctx, tx, index)
		if err != nil {
			return "", nil, fmt.Errorf("audit: %w", err)
		}
	} else if err != nil {
		return "", nil, fmt.Errorf("audit: %w", err)
	}
	key, err := s.deps.Keys.Open(sealed, personAD(id, index))
	return id, key, err
}

// personAD binds a key to its row and to whose it is, so that nobody's events
// can be led under another's key.
func personAD(id string, subject []byte) string {
	return "audit.person|" + id + "|" + hex.EncodeToString(subject)
}

func subjectOf(account string) string { return "account:" + account }

func subjectOfMonth(account string, at time.Time) string {
	return "account:" + account + ":" + at.UTC().Format("2006-01")
}

// dayOf is a day of UTC, in days since 1970-01-01.
func dayOf(at time.Time) int64 { return at.Unix() / secondsADay }

func lastOfMonth(at time.Time) int64 {
	at = at.UTC()
	return dayOf(time.Date(at.Year(), at.Month()+1, 0, 0, 0, 0, 0, time.UTC))
}

const secondsADay = 24 * 60 * 60

func subjectOfDay(org string, day time.Time) string {
	return "day:" + org + ":" + day.UTC().Format("2006-01-02")
}

// leafFormat is the first line of what the log hashes.
const leafFormat = "kunci event v1\n"

// leafData is what the log hashes: every column with its length, so that no
// two events have the same bytes. Changing this changes every log: do not.
func (r *row) leafData() []byte { return r.appendLeaf(nil) }

func (r *row) appendLeaf(data []byte) []byte {
	data = append(data, leafFormat...)
	for _, text := range [...]string{
		r.id, r.org, r.kind, r.outcome, r.reason, r.actorKind, r.actor, r.target,
		r.methodID, r.methodKind, r.correlation, r.detail, r.actorKey, r.targetKey,
	} {
		data = binary.AppendUvarint(data, uint64(len(text)))
		data = append(data, text...)
	}
	for _, sealed := range [...][]byte{r.actorData, r.targetData} {
		data = binary.AppendUvarint(data, uint64(len(sealed)))
		data = append(data, sealed...)
	}
	return binary.BigEndian.AppendUint64(data, uint64(r.at))
}
