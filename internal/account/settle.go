package account

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// What a directory says of how people can be reached becomes methods that were given
// to them. The account's row keeps a keyed mark of every value that was looked at, so
// that an unchanged entry costs nothing, and so that what somebody deleted does not
// come back. A mark goes only when it is the directory that took the method away.

// standing says what became of a value.
type standing string

const (
	seen  standing = "+" // it stands in the directory and is a method, or somebody deleted that
	aside standing = "o" // it stands in the directory, and there was no room for it
	past  standing = "-" // it no longer stands there
)

// maxMarks bounds what is remembered of one account; the oldest go first.
const maxMarks = 200

type mark struct {
	value string // kind and keyed hash
	state standing
}

func readMarks(text string) []mark {
	var all []mark
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(strings.TrimSpace(line), ' '); at > 0 {
			all = append(all, mark{line[:at], standing(strings.TrimSpace(line[at+1:]))})
		}
	}
	return all
}

func writeMarks(all []mark) string {
	var b strings.Builder
	for _, m := range all[max(0, len(all)-maxMarks):] {
		b.WriteString(m.value + " " + string(m.state) + "\n")
	}
	return b.String()
}

func (s *Service) markOf(a Account, m method.Method) string {
	m.OrgID, m.AccountID = a.OrgID, a.ID
	return string(m.Kind) + " " + hex.EncodeToString(s.methods.Fingerprint(m))
}

// Settlement is what the directory changed about somebody's methods.
type Settlement struct {
	Before, Added, Gone []method.Method
}

// Announce does what follows a settlement in its transaction: proofs that are worth
// nothing any more, and notices. Whoever writes notices stands above this room.
type Announce func(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, a Account, what Settlement) error

// OnSettlement sets it, before anything is served.
func (s *Service) OnSettlement(do Announce) { s.announce = do }

// spoken is what an entry says that can be a method, in a stable order; over counts
// what was passed over: no address or number, one of the organization's own, one
// of another country, or one too many. For accounts that follow the administrators' rules it is
// nothing: whoever may write the directory must not gain them.
func spoken(o *org.Organization, a Account) (all []method.Method, over int) {
	if o.Directory.Kind != org.LDAP || RequirementOf(o, a).Protected() {
		return nil, 0
	}
	e := a.Entry.Contacts
	for _, of := range []struct {
		kind   method.Kind
		values []string
	}{{method.Email, e.Emails}, {method.MobilePhone, e.MobilePhones}, {method.OfficePhone, e.OfficePhones}} {
		var usable []string
		for _, v := range of.values {
			value, ok := o.Reaches(of.kind, v)
			if !ok {
				over++
				continue
			}
			usable = append(usable, value)
		}
		slices.Sort(usable)
		usable = slices.Compact(usable)
		if most := of.kind.Limit(); len(usable) > most {
			over += len(usable) - most
			usable = usable[:most]
		}
		for _, value := range usable {
			all = append(all, method.Method{OrgID: a.OrgID, AccountID: a.ID, Kind: of.kind, Value: value, Proved: true, ProvedBy: method.ByDirectory})
		}
	}
	return all, over
}

// Unsettled tells whether the directory says something else than when it was last
// looked at. a holds what the directory says now. It asks nobody anything.
func (s *Service) Unsettled(o *org.Organization, a Account) bool {
	if a.Entry.UserID == "" || o == nil {
		return false
	}
	want, _ := spoken(o, a)
	var now, then []string
	for _, m := range want {
		now = append(now, s.markOf(a, m))
	}
	for _, m := range readMarks(a.contacts) {
		if m.state != past {
			then = append(then, m.value)
		}
	}
	slices.Sort(now)
	slices.Sort(then)
	return !slices.Equal(slices.Compact(now), then)
}

// settling is what has to be done, and what is remembered of it.
type settling struct {
	add, drop []method.Method
	final     []method.Method // deleted, and not to be brought back
	marks     []mark
}

// weigh compares what an entry says with the methods there are and those that were
// deleted.
func (s *Service) weigh(a Account, want, live, deleted []method.Method) settling {
	var todo settling
	has := func(of []method.Method, value string) bool {
		return slices.ContainsFunc(of, func(m method.Method) bool { return m.Proved && s.markOf(a, m) == value })
	}
	var wanted []string
	for _, m := range want {
		wanted = append(wanted, s.markOf(a, m))
	}
	var stay []method.Method
	dropped := map[string]bool{}
	for _, m := range live {
		if value := s.markOf(a, m); m.FromDirectory() && !slices.Contains(wanted, value) {
			todo.drop, dropped[value] = append(todo.drop, m), true
			continue
		}
		stay = append(stay, m)
	}
	for _, m := range deleted {
		if m.FromDirectory() && !slices.Contains(wanted, s.markOf(a, m)) {
			todo.final = append(todo.final, m)
		}
	}
	known := map[string]bool{}
	for _, m := range readMarks(a.contacts) {
		if m.state == aside || dropped[m.value] {
			continue
		}
		known[m.value] = true
		if !slices.Contains(wanted, m.value) {
			todo.marks = append(todo.marks, mark{m.value, past})
		}
	}
	for i, m := range want {
		value := wanted[i]
		if slices.Contains(wanted[:i], value) {
			continue
		}
		state := seen
		if !has(stay, value) && !known[value] && !has(deleted, value) {
			n := 0
			for _, other := range stay {
				if other.Usable() && other.Kind.SharesLimit(m.Kind) {
					n++
				}
			}
			if n >= m.Kind.Limit() {
				state = aside
			} else {
				todo.add, stay = append(todo.add, m), append(stay, m)
			}
		}
		todo.marks = append(todo.marks, mark{value, state})
	}
	return todo
}

// Foresee gives the methods as Settle would leave them, and changes nothing: for
// whoever only asks. What is not stored yet has no ID.
func (s *Service) Foresee(ctx context.Context, tx *store.Tx, o *org.Organization, a Account, live []method.Method) ([]method.Method, error) {
	if !s.Unsettled(o, a) {
		return live, nil
	}
	deleted, err := s.methods.ListDeleted(ctx, tx, a.OrgID, a.ID)
	if err != nil {
		return nil, err
	}
	want, _ := spoken(o, a)
	todo := s.weigh(a, want, live, deleted)
	all := slices.DeleteFunc(slices.Clone(live), func(m method.Method) bool {
		return slices.ContainsFunc(todo.drop, func(d method.Method) bool { return d.ID == m.ID })
	})
	for _, m := range todo.add {
		m.CreatedAt, m.ProvedAt = tx.Now(), tx.Now()
		all = append(all, m)
	}
	return all, nil
}

// Settle makes the methods that the directory gives somebody those of its entry: what
// is new is added, what went is taken away unless its person confirmed it. a holds what
// the directory says now, and comes back with its ID. Where nothing changed nothing is
// asked. Only steps that write anyway call it, never a page that shows. It records
// method.added and method.deleted with the reason "directory". Never call it with a
// transaction open.
func (s *Service) Settle(ctx context.Context, by audit.Actor, o *org.Organization, a Account) (Account, error) {
	if !s.Unsettled(o, a) {
		return a, nil
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "account contacts:"+o.ID+":"+a.Entry.Key); err != nil {
			return err
		}
		kept, err := s.Keep(ctx, tx, a)
		if err != nil {
			return err
		}
		if a = kept; !s.Unsettled(o, a) {
			return nil // another request did it
		}
		return s.settle(ctx, tx, by, o, a)
	})
	if err != nil {
		return a, fmt.Errorf("settle methods of the directory: %w", err)
	}
	return a, nil
}

func (s *Service) settle(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, a Account) error {
	live, err := s.methods.List(ctx, tx, o.ID, a.ID)
	if err != nil {
		return err
	}
	deleted, err := s.methods.ListDeleted(ctx, tx, o.ID, a.ID)
	if err != nil {
		return err
	}
	want, over := spoken(o, a)
	todo, done := s.weigh(a, want, live, deleted), Settlement{Before: live}
	// Nobody who is here did it: the entry was changed by somebody, some time.
	by = audit.Actor{Kind: audit.System, Correlation: by.Correlation}
	note := func(k audit.Kind, m method.Method, detail map[string]string) error {
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: k, Org: o.ID, Target: a.ID, TargetUserID: a.Entry.UserID, Outcome: audit.Success,
			Reason: method.ByDirectory, MethodID: m.ID, MethodKind: string(m.Kind), Detail: detail,
		})
	}
	for _, m := range todo.drop {
		if err := s.methods.Retire(ctx, tx, o.ID, a.ID, m.ID); err != nil {
			return err
		}
		if err := note(audit.MethodDeleted, m, nil); err != nil {
			return err
		}
		done.Gone = append(done.Gone, m)
	}
	for _, m := range todo.final {
		if err := s.methods.Retire(ctx, tx, o.ID, a.ID, m.ID); err != nil {
			return err
		}
	}
	for _, m := range todo.add {
		added, err := s.methods.Add(ctx, tx, m)
		if p, ours := problem.As(err); ours && (p.Code == problem.MethodLimit || p.Code == problem.MethodDuplicate) {
			continue // an address that is another's twin: it counts already
		}
		if err != nil {
			return err
		}
		var detail map[string]string
		if over > 0 {
			detail = map[string]string{"passed_over": strconv.Itoa(over)}
		}
		if err := note(audit.MethodAdded, added, detail); err != nil {
			return err
		}
		done.Added = append(done.Added, added)
	}
	if err := one(updateContacts(ctx, tx, o.ID, a.ID, writeMarks(todo.marks))); err != nil {
		return err
	}
	if s.announce == nil || len(done.Added)+len(done.Gone) == 0 {
		return nil
	}
	return s.announce(ctx, tx, by, o, a, done)
}
