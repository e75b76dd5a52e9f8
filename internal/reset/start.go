package reset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Start begins a flow and gives it with the token for the browser's cookie. A
// dead end is a flow too, in state Problem, with the same work behind it; no
// caller can tell from the time taken whether there is such an account.
// Problems: Required, BadInput.
func (s *Service) Start(ctx context.Context, by audit.Actor, in StartInput) (Flow, string, error) {
	userID := directory.NormalizeUserID(in.UserID)
	if userID == "" {
		return Flow{}, "", problem.New(problem.Required).On("user_id")
	}
	switch in.Reason {
	case Forgot, NeverReceived, Locked:
	case "":
		in.Reason = Forgot
	default:
		return Flow{}, "", problem.New(problem.BadInput).On("reason")
	}
	f, err := s.gather(ctx, userID, in.Reason, in.Within)
	unavailable := errors.Is(err, problem.New(problem.DirectoryUnavailable)) || errors.Is(err, problem.New(problem.DirectoryRefused))
	if err != nil && !unavailable {
		return Flow{}, "", err
	}
	flow := Flow{ID: store.NewID(), UserID: userID, Reason: in.Reason, Lang: in.Lang, State: Choosing}
	if f.org != nil {
		flow.OrgID = f.org.ID
	}
	rule := ""
	if unavailable {
		p, _ := problem.As(err)
		flow.State, flow.Problem, rule = Problem, p.Code, string(p.Code)
	} else {
		flow.hidden = hides(f.org)
		for _, r := range judge(f) {
			if !r.OK {
				flow.State, flow.Problem, rule = Problem, r.Problem, r.Name
				break
			}
		}
	}
	if flow.hidden {
		// What stands in the way is said after a proof; what was tried too often, to anybody.
		defer even(ctx, time.Now())
		flow.State, flow.Problem = Choosing, ""
		if f.retryAfter > 0 {
			flow.State, flow.Problem = Problem, problem.Blocked
			flow.RetryAt = s.d.DB.Now().Add(f.retryAfter)
		}
	} else if flow.Problem == problem.Blocked {
		flow.RetryAt = s.d.DB.Now().Add(f.wait())
	}
	if f.known && !unavailable {
		if f.account, err = s.d.Accounts.Settle(ctx, by, f.org, f.account); err != nil {
			return Flow{}, "", err
		}
	}
	token, err := s.keep(ctx, by, &flow, f, rule, in.Instead)
	return flow, token, err
}

// keep writes a new flow. Unknown accounts get a row of the same size.
func (s *Service) keep(ctx context.Context, by audit.Actor, f *Flow, now facts, rule, instead string) (string, error) {
	token := store.NewToken()
	typed, err := s.d.Keys.Seal([]byte(f.UserID), "reset|"+f.ID)
	if err != nil {
		return "", fmt.Errorf("start reset: %w", err)
	}
	var before []byte
	if instead != "" {
		before = s.tokenHash(instead)
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		f.StartedAt, f.ExpiresAt = tx.Now(), tx.Now().Add(Life)
		kept, err := s.d.Accounts.Keep(ctx, tx, now.account)
		if err != nil {
			return err
		}
		f.AccountID = kept.ID
		if err := insertFlow(ctx, tx, *f, s.tokenHash(token), before, typed); err != nil {
			return fmt.Errorf("start reset: %w", err)
		}
		if f.Problem == problem.Blocked {
			if err := s.lock(ctx, tx, by, *f, now); err != nil {
				return err
			}
		}
		e := s.event(*f, audit.ResetStarted, audit.Success, string(f.Reason))
		if f.State == Problem {
			e = s.event(*f, audit.ResetRefused, audit.Denied, string(f.Problem))
		}
		if rule != "" {
			e.Detail = map[string]string{"rule": rule}
		}
		return s.d.Audit.Record(ctx, tx, by, e)
	})
	return token, err
}

// lock makes a full count a lock: coming back to a blocked account is the try
// that goes over the limit.
func (s *Service) lock(ctx context.Context, tx *store.Tx, by audit.Actor, f Flow, now facts) error {
	for _, c := range counts(f.OrgID, s.subjectOf(f), now.org.Policy.Throttle, f) {
		v, err := throttle.Peek(ctx, tx, c.key, c.limit)
		if err != nil {
			return err
		}
		if v.Allowed {
			continue
		}
		if v, err = throttle.Take(ctx, tx, c.key, c.limit); err != nil {
			return err
		}
		if v.JustLocked {
			if err := s.d.Audit.Record(ctx, tx, by, s.event(f, audit.ResetBlocked, audit.Denied, c.reason)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nobody stands where an event has no account. What was typed is not kept: it may
// be a password in the wrong field.
const nobody = "(unknown)"

func (s *Service) event(f Flow, k audit.Kind, o audit.Outcome, reason string) audit.Event {
	e := audit.Event{Kind: k, Org: f.OrgID, Target: f.AccountID, TargetUserID: nobody, Outcome: o, Reason: reason}
	if f.AccountID != "" {
		e.TargetUserID = f.UserID
	}
	return e
}

// Explain answers "can this person reset, and if not, why" with every rule.
func (s *Service) Explain(ctx context.Context, o *org.Organization, userID string) ([]Rule, error) {
	f, err := s.gatherIn(ctx, o, directory.NormalizeUserID(userID), Forgot)
	if err != nil {
		return nil, err
	}
	rules := judge(f)
	said := 0
	for _, m := range f.methods {
		if m.FromDirectory() {
			said++
		}
	}
	if at := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == "methods" }); at >= 0 && said > 0 {
		rules = slices.Insert(rules, at+1, Rule{Name: "directory", OK: true, Key: "reset.rule.directory.yes", Args: map[string]any{"count": said}})
	}
	for i, r := range rules {
		if pair, asked := f.pair(); r.Name == "methods" && asked {
			return slices.Insert(rules, i+1, pair), nil
		}
	}
	return rules, nil
}

// gather finds everything that decides, for a user ID. No transaction is open:
// the directory is asked.
func (s *Service) gather(ctx context.Context, userID string, reason Reason, within string) (facts, error) {
	var o *org.Organization
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = s.d.Orgs.ForUserID(ctx, tx, userID)
		return err
	})
	if err != nil && !errors.Is(err, problem.New(problem.NotFound)) {
		return facts{}, err
	}
	if o != nil && within != "" && o.ID != within {
		o = nil
	}
	return s.gatherIn(ctx, o, userID, reason)
}

func (s *Service) gatherIn(ctx context.Context, o *org.Organization, userID string, reason Reason) (facts, error) {
	f := facts{org: o, reason: reason, now: s.d.DB.Now()}
	asked := o
	if asked == nil {
		// Nobody's organization keeps its accounts here and has none.
		asked = &org.Organization{ID: "-", Directory: org.DirectoryConfig{Kind: org.Embedded}}
	}
	d, err := s.d.Accounts.Directory(asked)
	if err != nil {
		return f, err
	}
	f.can = d.Capabilities()
	f.account, err = s.d.Accounts.Look(ctx, asked, userID)
	if err != nil && !errors.Is(err, problem.New(problem.NotFound)) {
		return f, err
	}
	f.known = err == nil && o != nil
	return f, s.d.DB.Read(ctx, func(tx *store.Tx) error { return s.stored(ctx, tx, &f, userID) })
}

// stored adds what our own rows say. For nobody it asks the same questions about
// an account that cannot be.
func (s *Service) stored(ctx context.Context, tx *store.Tx, f *facts, userID string) error {
	orgID, limits := "-", org.Defaults().Throttle
	if f.org != nil {
		orgID, limits = f.org.ID, f.org.Policy.Throttle
	}
	accountID := s.subject(orgID, f.account.ID, userID)
	var err error
	if f.methods, err = s.d.Methods.List(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	if f.known {
		if f.methods, err = s.d.Accounts.Foresee(ctx, tx, f.org, f.account, f.methods); err != nil {
			return err
		}
	}
	return s.throttles(ctx, tx, f, orgID, accountID, limits, Flow{})
}

// throttles adds what is blocked now, for a flow that may be one of those counted.
func (s *Service) throttles(ctx context.Context, tx *store.Tx, f *facts, orgID, accountID string, limits org.Throttles, flow Flow) error {
	f.retryAfter, f.locked = 0, map[string]time.Duration{}
	all := counts(orgID, accountID, limits, flow)
	keys := make(map[string]throttle.Limit, len(all))
	for _, c := range all {
		keys[c.key] = c.limit
	}
	found, err := s.d.Challenges.BlockedBeside(ctx, tx, orgID, accountID, limits.Gate, keys)
	if err != nil {
		return err
	}
	for _, c := range all {
		if v := found.Keys[c.key]; !v.Allowed && !c.counted {
			f.retryAfter = max(f.retryAfter, v.RetryAfter)
		}
	}
	for _, m := range f.methods {
		if v, counted := found.Prefix[challenge.Counter(m)]; counted && !v.Allowed {
			f.locked[m.ID] = v.RetryAfter
		}
	}
	return nil
}

type count struct {
	key     string
	limit   throttle.Limit
	reason  string
	counted bool // the flow is one of them
}

func counts(orgID, accountID string, limits org.Throttles, f Flow) []count {
	return []count{
		{failuresKey(orgID, accountID), limits.IdentityFailures, "identity_failures", f.failed},
		{resetsKey(orgID, accountID), limits.Resets, "resets", f.counted},
	}
}

// ClearLimits forgets what was counted against an account's resets: when an
// administrator clears it.
func (s *Service) ClearLimits(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	return throttle.Clear(ctx, tx, failuresKey(orgID, accountID), resetsKey(orgID, accountID))
}

func failuresKey(orgID, accountID string) string {
	return "identity_failures:" + orgID + ":" + accountID
}
func resetsKey(orgID, accountID string) string { return "resets:" + orgID + ":" + accountID }

func (s *Service) tokenHash(token string) []byte { return s.d.Keys.Index("reset token", token) }

// Open gives the flow of a cookie's token as it is now. A flow that outlived its
// minutes is in state Problem with Expired. Problem Cookies: there is no such flow.
func (s *Service) Open(ctx context.Context, token string) (Flow, error) {
	if token == "" {
		return Flow{}, problem.New(problem.Cookies)
	}
	var f Flow
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		r, err := selectByToken(ctx, tx, s.tokenHash(token))
		if err != nil {
			return err
		}
		f, err = s.opened(tx, r)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return Flow{}, problem.New(problem.Cookies)
	}
	if err != nil {
		return Flow{}, fmt.Errorf("open reset: %w", err)
	}
	return f, nil
}

func (s *Service) opened(tx *store.Tx, r row) (Flow, error) {
	typed, err := s.d.Keys.Open(r.typed, "reset|"+r.ID)
	if err != nil {
		return Flow{}, err
	}
	f := r.Flow
	f.UserID = string(typed)
	if len(r.to) > 0 {
		to, err := s.d.Keys.Open(r.to, "reset to|"+r.ID)
		if err != nil {
			return Flow{}, err
		}
		f.sentTo = string(to)
	}
	if !f.State.Over() && !f.ExpiresAt.After(tx.Now()) {
		f.State, f.Problem = Problem, problem.Expired
	}
	return f, nil
}

// again gives the flow as it is stored now, with the account locked.
func (s *Service) again(ctx context.Context, tx *store.Tx, f Flow) (Flow, error) {
	if err := challenge.Lock(ctx, tx, f.OrgID, f.AccountID); err != nil {
		return Flow{}, err
	}
	r, err := selectFlow(ctx, tx, f.ID)
	if err != nil {
		return Flow{}, fmt.Errorf("reset flow: %w", err)
	}
	return s.opened(tx, r)
}

// save writes a flow that is not over.
func (s *Service) save(ctx context.Context, tx *store.Tx, f Flow) error {
	to := []byte{}
	if f.sentTo != "" {
		var err error
		if to, err = s.d.Keys.Seal([]byte(f.sentTo), "reset to|"+f.ID); err != nil {
			return fmt.Errorf("save reset flow: %w", err)
		}
	}
	n, err := updateFlow(ctx, tx, f, to)
	if err != nil || n != 1 {
		return fmt.Errorf("save reset flow: %d rows: %w", n, err)
	}
	return nil
}

// now gathers the facts of a flow inside a transaction: what the directory said
// was loaded before, the policy and our own rows are read here.
func (s *Service) now(ctx context.Context, tx *store.Tx, f Flow, loaded facts) (facts, []method.Method, error) {
	o, err := s.d.Orgs.Get(ctx, tx, f.OrgID)
	if err != nil {
		return facts{}, nil, err
	}
	loaded.org = o
	if loaded.account, err = s.d.Accounts.Refresh(ctx, tx, loaded.account); err != nil {
		return facts{}, nil, err
	}
	return s.standing(ctx, tx, f, loaded)
}

// standing gathers what is stored about a flow's account beside the account itself.
func (s *Service) standing(ctx context.Context, tx *store.Tx, f Flow, loaded facts) (facts, []method.Method, error) {
	var err error
	loaded.now, loaded.reason = tx.Now(), f.Reason
	if loaded.methods, err = s.d.Methods.List(ctx, tx, f.OrgID, f.AccountID); err != nil {
		return facts{}, nil, err
	}
	if err := s.throttles(ctx, tx, &loaded, f.OrgID, f.AccountID, loaded.org.Policy.Throttle, f); err != nil {
		return facts{}, nil, err
	}
	passed, err := s.d.Challenges.Passed(ctx, tx, f.ID)
	if err != nil {
		return facts{}, nil, err
	}
	var by []method.Method
	for _, c := range passed {
		if c.Purpose != challenge.Reset || c.AccountID != f.AccountID || c.OrgID != f.OrgID {
			continue
		}
		for _, m := range loaded.methods {
			if m.ID == c.MethodID && loaded.still(m) {
				by = append(by, m)
			}
		}
	}
	loaded.passed = kinds(by)
	return loaded, by, nil
}

func kinds(of []method.Method) []method.Kind {
	all := make([]method.Kind, len(of))
	for i, m := range of {
		all[i] = m.Kind
	}
	return all
}

// load asks the directory about the flow's account. No transaction is open.
func (s *Service) load(ctx context.Context, f Flow) (facts, error) {
	var o *org.Organization
	var a account.Account
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if o, err = s.d.Orgs.Get(ctx, tx, f.OrgID); err != nil {
			return err
		}
		a, err = s.d.Accounts.Kept(ctx, tx, f.OrgID, f.AccountID)
		return err
	})
	if err != nil {
		return facts{}, err
	}
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return facts{}, err
	}
	loaded := facts{org: o, can: d.Capabilities(), known: true}
	loaded.account, err = s.d.Accounts.Ask(ctx, o, a)
	return loaded, err
}
