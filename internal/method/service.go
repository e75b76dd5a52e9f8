package method

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// Deps is what the room needs.
type Deps struct {
	Keys *secret.Keyset
	// RelyingParty is the host name that passkeys work at; empty: at none.
	RelyingParty string
	// HashMemory is what the slow hash of a code or an answer takes, in KiB; zero:
	// 19 MiB, OWASP's least for argon2id.
	HashMemory uint32
}

// Service keeps the methods of every account.
type Service struct {
	keys *secret.Keyset
	slow gate
	// memory of a slow hash, in KiB
	memory uint32
	host   string // that passkeys work at
}

// New refuses a missing keyset.
func New(d Deps) (*Service, error) {
	if d.Keys == nil {
		return nil, errors.New("method: no keyset")
	}
	return &Service{keys: d.Keys, slow: newGate(), memory: cmp.Or(d.HashMemory, setMemory), host: d.RelyingParty}, nil
}

// List gives an account's methods in the order they were added: proved ones,
// disabled ones, and those that still wait for their proof.
func (s *Service) List(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Method, error) {
	rows, err := selectLive(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("list methods: %w", err)
	}
	return s.openAll(tx, rows)
}

// ListDeleted gives what can still be brought back, last deleted first.
func (s *Service) ListDeleted(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Method, error) {
	rows, err := selectDeleted(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("list deleted methods: %w", err)
	}
	return s.openAll(tx, rows)
}

// Get gives one method of an account; problem NotFound for any other id,
// another account's included.
func (s *Service) Get(ctx context.Context, tx *store.Tx, orgID, accountID, id string) (Method, error) {
	r, err := selectOne(ctx, tx, orgID, accountID, id)
	if err != nil {
		return Method{}, found(err, "get method")
	}
	return s.open(tx, r)
}

// Add stores a method, proved (by an administrator) or waiting for its proof. A
// waiting one takes the place of an earlier waiting one of its kind. Refusals:
// problem MethodKind, MethodLimit, MethodDuplicate, EmailInvalid, PhoneInvalid,
// TooLong.
func (s *Service) Add(ctx context.Context, tx *store.Tx, m Method) (Method, error) {
	m, err := normalize(m)
	if err != nil {
		return Method{}, err
	}
	if err := s.lock(ctx, tx, m.OrgID, m.AccountID); err != nil {
		return Method{}, err
	}
	if err := s.replaceable(ctx, tx, m); err != nil {
		return Method{}, err
	}
	same := s.same(m)
	if err := s.fits(ctx, tx, m, same); err != nil {
		return Method{}, err
	}
	if err := deletePending(ctx, tx, m.OrgID, m.AccountID, m.Kind); err != nil {
		return Method{}, fmt.Errorf("add method: %w", err)
	}
	m.ID, m.CreatedAt = store.NewID(), tx.Now()
	m.Default, m.LastStep, m.UsedCodes, m.ConsecutiveFailures = false, 0, 0, 0
	if m.Proved {
		m.ProvedAt = m.CreatedAt
		if err := deleteReplaced(ctx, tx, m, same); err != nil {
			return Method{}, fmt.Errorf("add method: %w", err)
		}
	}
	sealed, err := s.seal(m)
	if err != nil {
		return Method{}, err
	}
	if err := insert(ctx, tx, row{m: m, sealed: sealed, same: same}); err != nil {
		return Method{}, fmt.Errorf("add method: %w", err)
	}
	if m.Kind == AuthenticatorPush {
		if n, err := updateDevice(ctx, tx, m.ID, m.Secret); err != nil || n != 1 {
			return Method{}, gone(n, err, "add method")
		}
	}
	return m, nil
}

// SetProved makes a waiting method count. by is ByPerson or ByAdministrator. The
// limit and duplicates are judged again: others may have been proved meanwhile.
// A new recovery set removes the one before for good; a method that replaces
// another deletes it, takes over that it is the default, and says so in Replaces.
func (s *Service) SetProved(ctx context.Context, tx *store.Tx, orgID, accountID, id, by string) (Method, error) {
	if by != ByPerson && by != ByAdministrator {
		return Method{}, fmt.Errorf("prove method: unknown prover %q", by)
	}
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return Method{}, err
	}
	r, err := selectOne(ctx, tx, orgID, accountID, id)
	if err != nil {
		return Method{}, found(err, "prove method")
	}
	if r.m.Proved {
		return s.open(tx, r)
	}
	if err := s.fits(ctx, tx, r.m, r.same); err != nil {
		return Method{}, err
	}
	if err := deleteReplaced(ctx, tx, r.m, r.same); err != nil {
		return Method{}, fmt.Errorf("prove method: %w", err)
	}
	if n, err := updateProved(ctx, tx, id, by); err != nil || n != 1 {
		return Method{}, gone(n, err, "prove method")
	}
	if err := s.replace(ctx, tx, r.m); err != nil {
		return Method{}, err
	}
	return s.Get(ctx, tx, orgID, accountID, id)
}

// Confirm makes what an administrator or the directory entered its person's, who proved it. Since
// when it counts stays as it was. Problem NotFound: there is none such.
func (s *Service) Confirm(ctx context.Context, tx *store.Tx, orgID, accountID, id string) error {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	if n, err := updateConfirmed(ctx, tx, orgID, accountID, id); err != nil || n != 1 {
		return gone(n, err, "confirm method")
	}
	return nil
}

// replaceable refuses to replace what is not a proved method of the account of
// the same kind: problem NotFound.
func (s *Service) replaceable(ctx context.Context, tx *store.Tx, m Method) error {
	if m.Replaces == "" {
		return nil
	}
	r, err := selectOne(ctx, tx, m.OrgID, m.AccountID, m.Replaces)
	if err != nil {
		return found(err, "replace method")
	}
	if !r.m.Proved || r.m.Kind != m.Kind {
		return problem.New(problem.NotFound)
	}
	return nil
}

// replace deletes what a newly proved method takes the place of. It may be gone
// already: then there is nothing to replace.
func (s *Service) replace(ctx context.Context, tx *store.Tx, m Method) error {
	if m.Replaces == "" {
		return nil
	}
	old, err := selectOne(ctx, tx, m.OrgID, m.AccountID, m.Replaces)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replace method: %w", err)
	}
	if n, err := updateDeleted(ctx, tx, old.m.ID, ByPerson); err != nil || n != 1 {
		return gone(n, err, "replace method")
	}
	if !old.m.Default {
		return nil
	}
	if err := updateDefault(ctx, tx, m.OrgID, m.AccountID, m.ID); err != nil {
		return fmt.Errorf("replace method: %w", err)
	}
	return nil
}

// SetDefault makes one method the one a sign-in offers first. Only a usable
// method that proves a sign-in can be; otherwise problem MethodNotAllowed.
func (s *Service) SetDefault(ctx context.Context, tx *store.Tx, orgID, accountID, id string) error {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	r, err := selectOne(ctx, tx, orgID, accountID, id)
	if err != nil {
		return found(err, "set default method")
	}
	if !r.m.Usable() || !r.m.ProvesSignIn() || r.m.Kind == TemporaryAccessPass {
		return problem.New(problem.MethodNotAllowed)
	}
	if err := updateDefault(ctx, tx, orgID, accountID, id); err != nil {
		return fmt.Errorf("set default method: %w", err)
	}
	return nil
}

// SetName changes what its person calls a method. Refusals: problem TooLong,
// BadInput, NotFound.
func (s *Service) SetName(ctx context.Context, tx *store.Tx, orgID, accountID, id, name string) error {
	name, err := normalizeName(name)
	if err != nil {
		return err
	}
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	r, err := selectOne(ctx, tx, orgID, accountID, id)
	if err != nil {
		return found(err, "name method")
	}
	m, err := s.open(tx, r)
	if err != nil {
		return err
	}
	m.Name = name
	sealed, err := s.seal(m)
	if err != nil {
		return err
	}
	if n, err := updateSealed(ctx, tx, id, r.sealed, sealed); err != nil || n != 1 {
		return gone(n, err, "name method")
	}
	return nil
}

// Delete takes a method away at once; it can be brought back for UndoFor. It
// gives the method as it was, with DeletedAt.
func (s *Service) Delete(ctx context.Context, tx *store.Tx, orgID, accountID, id string) (Method, error) {
	return s.delete(ctx, tx, orgID, accountID, id, ByPerson)
}

// Withdraw is Delete by an administrator: its person does not bring it back, because
// whoever holds a lost or stolen device might.
func (s *Service) Withdraw(ctx context.Context, tx *store.Tx, orgID, accountID, id string) (Method, error) {
	return s.delete(ctx, tx, orgID, accountID, id, ByAdministrator)
}

func (s *Service) delete(ctx context.Context, tx *store.Tx, orgID, accountID, id, by string) (Method, error) {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return Method{}, err
	}
	m, err := s.Get(ctx, tx, orgID, accountID, id)
	if err != nil {
		return Method{}, err
	}
	if n, err := updateDeleted(ctx, tx, id, by); err != nil || n != 1 {
		return Method{}, gone(n, err, "delete method")
	}
	m.DeletedAt, m.DeletedBy = tx.Now(), by
	return m, nil
}

// Bar is Withdraw for a method that its person deleted and could still bring back.
// changed tells whether it could. Problem NotFound: none such is kept.
func (s *Service) Bar(ctx context.Context, tx *store.Tx, orgID, accountID, id string) (m Method, changed bool, err error) {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return Method{}, false, err
	}
	r, err := selectUndeletable(ctx, tx, orgID, accountID, id)
	if err != nil {
		return Method{}, false, found(err, "bar method")
	}
	if m, err = s.open(tx, r); err != nil {
		return Method{}, false, err
	}
	n, err := updateBarred(ctx, tx, id)
	if err != nil {
		return Method{}, false, fmt.Errorf("bar method: %w", err)
	}
	return m, n == 1, nil
}

// Retire drops what the directory said and says no more, if nobody confirmed it, deleted
// or not: nothing is kept of it and it cannot be brought back. Problem NotFound: there is none such.
func (s *Service) Retire(ctx context.Context, tx *store.Tx, orgID, accountID, id string) error {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	if n, err := deleteRetired(ctx, tx, orgID, accountID, id); err != nil || n != 1 {
		return gone(n, err, "retire method")
	}
	return nil
}

// Drop gives up a method that waits for its proof. Nothing is kept of it.
// Problem NotFound: there is none such.
func (s *Service) Drop(ctx context.Context, tx *store.Tx, orgID, accountID, id string) error {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	if n, err := deleteUnproved(ctx, tx, orgID, accountID, id); err != nil || n != 1 {
		return gone(n, err, "drop method")
	}
	return nil
}

// Undelete brings a method back, as it was, for its person. After UndoFor it gives
// problem UndoExpired; where another took its place, MethodLimit or
// MethodDuplicate; UndoForbidden where an administrator deleted it.
func (s *Service) Undelete(ctx context.Context, tx *store.Tx, orgID, accountID, id string) (Method, error) {
	return s.undelete(ctx, tx, orgID, accountID, id, ByPerson)
}

// Restore is Undelete for an administrator, who brings back what anybody deleted.
func (s *Service) Restore(ctx context.Context, tx *store.Tx, orgID, accountID, id string) (Method, error) {
	return s.undelete(ctx, tx, orgID, accountID, id, ByAdministrator)
}

func (s *Service) undelete(ctx context.Context, tx *store.Tx, orgID, accountID, id, by string) (Method, error) {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return Method{}, err
	}
	r, err := selectUndeletable(ctx, tx, orgID, accountID, id)
	if err != nil {
		return Method{}, found(err, "undelete method")
	}
	if r.m.DeletedBy == ByAdministrator && by != ByAdministrator {
		return Method{}, problem.New(problem.UndoForbidden)
	}
	if r.m.DisabledAt.IsZero() {
		if err := s.fits(ctx, tx, r.m, r.same); err != nil {
			return Method{}, err
		}
		if n, err := countUsable(ctx, tx, orgID, accountID, "", []Kind{r.m.Kind}); err != nil {
			return Method{}, fmt.Errorf("undelete method: %w", err)
		} else if r.m.Kind.Replaced() && n > 0 {
			return Method{}, problem.New(problem.MethodLimit, "limit", 1)
		}
	}
	n, err := updateUndeleted(ctx, tx, id)
	if err != nil {
		return Method{}, fmt.Errorf("undelete method: %w", err)
	}
	if n == 0 {
		return Method{}, problem.New(problem.UndoExpired)
	}
	return s.Get(ctx, tx, orgID, accountID, id)
}

// Purge drops what can no longer be brought back and what was never proved.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) (int64, error) {
	n, err := deleteDead(ctx, tx)
	if err != nil {
		return 0, fmt.Errorf("purge methods: %w", err)
	}
	return n, nil
}

// fits judges limit and duplicates against what is proved. The caller holds the
// account's lock. A set replaces the one before, so it always fits.
func (s *Service) fits(ctx context.Context, tx *store.Tx, m Method, same []byte) error {
	n, err := countSame(ctx, tx, m.OrgID, m.AccountID, same)
	if err != nil {
		return fmt.Errorf("count methods: %w", err)
	}
	if n > 0 {
		return problem.New(problem.MethodDuplicate).On(field(m.Kind))
	}
	if m.Kind.Replaced() {
		return nil
	}
	n, err = countUsable(ctx, tx, m.OrgID, m.AccountID, m.Replaces, m.Kind.sharing())
	if err != nil {
		return fmt.Errorf("count methods: %w", err)
	}
	if n >= m.Kind.Limit() {
		return problem.New(problem.MethodLimit, "limit", m.Kind.Limit())
	}
	return nil
}

// lock makes changes to one account's methods follow one another: a count
// followed by an insert is otherwise lost on PostgreSQL.
func (s *Service) lock(ctx context.Context, tx *store.Tx, org, account string) error {
	if err := tx.Lock(ctx, "method:"+org+":"+account); err != nil {
		return fmt.Errorf("lock methods: %w", err)
	}
	return nil
}

// content is the sealed part of a row.
type content struct {
	Name   string `json:"n,omitempty"`
	Value  string `json:"v,omitempty"`
	Secret []byte `json:"s,omitempty"`
	// Reusable is of a pass.
	Reusable bool `json:"r,omitempty"`
	// OATH is there where it is not AppOATH.
	OATH *OATH `json:"o,omitempty"`
	// Push is of a device with a subscription.
	Push *Subscription `json:"p,omitempty"`
}

func binding(m Method) string {
	return strings.Join([]string{"method", m.OrgID, m.AccountID, m.ID}, "|")
}

func (s *Service) seal(m Method) ([]byte, error) {
	c := content{Name: m.Name, Value: m.Value, Secret: m.Secret, Reusable: m.Reusable}
	if m.OATH != (OATH{}) && m.OATH != AppOATH {
		c.OATH = &m.OATH
	}
	if m.Subscribed() {
		c.Push = &m.Subscription
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("seal method: %w", err)
	}
	sealed, err := s.keys.Seal(plain, binding(m))
	if err != nil {
		return nil, fmt.Errorf("seal method: %w", err)
	}
	return sealed, nil
}

func (s *Service) open(tx *store.Tx, r row) (Method, error) {
	plain, err := s.keys.Open(r.sealed, binding(r.m))
	if err != nil {
		return Method{}, fmt.Errorf("open method %s: %w", r.m.ID, err)
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil {
		return Method{}, fmt.Errorf("open method %s: damaged", r.m.ID)
	}
	m := r.m
	m.Name, m.Value, m.Secret, m.Reusable = c.Name, c.Value, c.Secret, c.Reusable
	m.Spent = m.spent(tx)
	if m.Kind == AuthenticatorCode || m.Kind == HardwareToken {
		m.OATH = AppOATH
	}
	if c.OATH != nil {
		m.OATH = *c.OATH
	}
	if c.Push != nil {
		m.Subscription = *c.Push
	}
	if m.Kind == Passkey {
		m.Elsewhere = s.host == "" || m.RelyingParty() != s.host
	}
	return m, nil
}

func (s *Service) openAll(tx *store.Tx, rows []row) ([]Method, error) {
	all := make([]Method, 0, len(rows))
	for _, r := range rows {
		m, err := s.open(tx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// same is a keyed hash of what makes two methods of one account the same one.
// It is per account: nobody can see from the rows who shares a telephone.
func (s *Service) same(m Method) []byte {
	return s.keys.Index("method.same",
		strings.Join([]string{m.OrgID, m.AccountID, string(m.Kind), sameAs(m.Kind, m.Value), identity(m)}, "\x00"))
}

// Fingerprint is a keyed hash of a method's value within its account, by which
// the same value is known again without keeping it. The value must be normalized.
func (s *Service) Fingerprint(m Method) []byte { return s.same(m) }

func normalize(m Method) (Method, error) {
	if !m.Kind.Known() {
		return m, problem.New(problem.MethodKind).On("kind")
	}
	if m.OrgID == "" || m.AccountID == "" {
		return m, errors.New("add method: no account")
	}
	var err error
	if m.Name, err = normalizeName(m.Name); err != nil {
		return m, err
	}
	switch m.Kind {
	case Email:
		m.Value, err = ValidateEmail(m.Value, nil)
	case MobilePhone, OfficePhone:
		m.Value, err = NormalizePhone(m.Value, m.Kind == OfficePhone)
	case AuthenticatorCode, HardwareToken:
		if m.OATH == (OATH{}) {
			m.OATH = AppOATH
		}
		if err = m.OATH.Check(); err == nil && (len(m.Secret) == 0 || m.Kind == AuthenticatorCode && m.OATH.Counter) {
			err = errors.New("add method: no secret, or one that counts")
		}
	default:
		if len(m.Secret) == 0 && m.Value == "" {
			err = errors.New("add method: neither value nor secret")
		}
	}
	if err != nil {
		return m, err
	}
	if m.Kind == TemporaryAccessPass && !(m.Proved && m.ProvedBy == ByAdministrator && m.ValidFrom.Before(m.ValidUntil)) {
		return m, errors.New("add method: a pass is an administrator's and has its time")
	}
	switch {
	case !m.Proved, m.ProvedBy == ByPerson, m.ProvedBy == ByAdministrator, m.ProvedBy == ByDirectory && m.Given():
	default:
		return m, errors.New("add method: proved by nobody")
	}
	if !m.Proved {
		m.ProvedBy = ""
	}
	return m, nil
}

func normalizeName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > MaxName {
		return "", problem.New(problem.TooLong, "max", MaxName).On("name")
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
		return "", problem.New(problem.BadInput).On("name")
	}
	return name, nil
}

// field is the form field a refusal of a value belongs to.
func field(k Kind) string {
	switch k {
	case Email:
		return "email"
	case MobilePhone, OfficePhone:
		return "phone"
	}
	return ""
}

func found(err error, doing string) error {
	if errors.Is(err, store.ErrNoRows) {
		return problem.New(problem.NotFound)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func gone(n int64, err error, doing string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if n == 0 {
		return problem.New(problem.NotFound)
	}
	return fmt.Errorf("%s: %d rows", doing, n)
}
