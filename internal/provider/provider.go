package provider

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// For is how long a sign-in at a provider may take.
const For = 15 * time.Minute

// MaxAge is how long ago the provider may have asked the person, where they prove
// once more who they are. It is what the strictest change of security info wants,
// so that nobody is sent there twice for one proof.
const MaxAge = 5 * time.Minute

// ReturnPath is where a provider sends people back to, before the organization's
// short name.
const ReturnPath = "/signin/provider/"

// Deps is what the room needs. Log may be nil.
type Deps struct {
	DB   *store.DB
	Keys *secret.Keyset
	Log  *slog.Logger
	// PublicURL is the address people open.
	PublicURL string
}

// Service signs people in elsewhere. It is safe for concurrent use.
type Service struct {
	d     Deps
	mu    sync.Mutex
	known map[string]*known
	noted map[string]notedState // by organization
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Keys == nil || d.PublicURL == "" {
		return nil, errors.New("provider: a part is missing")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{d: d, known: make(map[string]*known), noted: make(map[string]notedState)}, nil
}

// ReturnURL is the address that an organization registers at its provider.
func (s *Service) ReturnURL(o *org.Organization) string {
	return strings.TrimSuffix(s.d.PublicURL, "/") + ReturnPath + o.Slug
}

// Ask is what somebody wants at a provider.
type Ask struct {
	OrgID string `json:"o"`
	// UserID is who signs in.
	UserID string `json:"u"`
	Next   string `json:"n,omitempty"`
	// SessionID is the session in which somebody proves once more who they are;
	// empty: they sign in.
	SessionID string `json:"s,omitempty"`
	// Again has the provider ask who it is, whoever is signed in there.
	Again bool `json:"a,omitempty"`
}

// pending is what is sealed of a sign-in under way.
type pending struct {
	Ask
	Issuer   string `json:"i"`
	ClientID string `json:"c"`
	State    string `json:"t"`
	Nonce    string `json:"e"`
	Verifier string `json:"v"`
}

func sealOf(id string) string { return "provider signin|" + id }

func hash(token string) []byte {
	sum := sha256.Sum256([]byte(token)) // 130 random bits: nothing slower is needed
	return sum[:]
}

// Begin notes that somebody goes to the organization's provider and gives what
// their browser keeps until they come back. Problem ProviderUnavailable.
func (s *Service) Begin(ctx context.Context, o *org.Organization, ask Ask) (cookie string, err error) {
	if !o.IdentityProvider.On() {
		return "", problem.New(problem.NotFound)
	}
	if _, err := s.reach(ctx, o); err != nil {
		return "", err
	}
	ask.OrgID = o.ID
	p := pending{
		Ask: ask, Issuer: o.IdentityProvider.Issuer, ClientID: o.IdentityProvider.ClientID,
		State: store.NewToken(), Nonce: store.NewToken(), Verifier: oauth2.GenerateVerifier(),
	}
	plain, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("begin at the provider: %w", err)
	}
	id := store.NewID()
	sealed, err := s.d.Keys.Seal(plain, sealOf(id))
	if err != nil {
		return "", fmt.Errorf("begin at the provider: %w", err)
	}
	cookie = store.NewToken()
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return insert(ctx, tx, row{id: id, browser: hash(cookie), state: hash(p.State), sealed: sealed, expires: tx.Now().Add(For)})
	})
	if err != nil {
		return "", fmt.Errorf("begin at the provider: %w", err)
	}
	return cookie, nil
}

// reach is discover with a problem instead of an error.
func (s *Service) reach(ctx context.Context, o *org.Organization) (*known, error) {
	k, err := s.discover(ctx, o)
	if err != nil {
		return nil, unavailable(o, err)
	}
	return k, nil
}

func unavailable(o *org.Organization, cause error) error {
	return problem.New(problem.ProviderUnavailable, "name", o.IdentityProvider.Name).Because(fault(reasonOf(cause)))
}

// Waiting gives what a browser's sign-in under way asks for. It changes nothing.
// Problem Expired: there is none, it was used, or it is too old.
func (s *Service) Waiting(ctx context.Context, cookie string) (Ask, error) {
	p, err := s.waiting(ctx, cookie)
	return p.Ask, err
}

func (s *Service) waiting(ctx context.Context, cookie string) (p pending, err error) {
	if cookie == "" {
		return p, problem.New(problem.Expired)
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		r, err := selectByBrowser(ctx, tx, hash(cookie))
		if errors.Is(err, store.ErrNoRows) || err == nil && (r.used || !r.expires.After(tx.Now())) {
			return problem.New(problem.Expired)
		}
		if err != nil {
			return fmt.Errorf("sign-in at the provider: %w", err)
		}
		p, err = s.open(r)
		return err
	})
	return p, err
}

func (s *Service) open(r row) (p pending, err error) {
	plain, err := s.d.Keys.Open(r.sealed, sealOf(r.id))
	if err == nil {
		err = json.Unmarshal(plain, &p)
	}
	if err != nil {
		return p, fmt.Errorf("sign-in at the provider: %w", err)
	}
	return p, nil
}

// Address is where the browser of a sign-in under way goes. It changes nothing.
// Problems: Expired, ProviderUnavailable.
func (s *Service) Address(ctx context.Context, o *org.Organization, cookie string) (string, error) {
	p, err := s.waiting(ctx, cookie)
	if err != nil {
		return "", err
	}
	if !p.of(o) {
		return "", problem.New(problem.Expired)
	}
	k, err := s.reach(ctx, o)
	if err != nil {
		return "", err
	}
	client, err := s.client(k, o)
	if err != nil {
		return "", unavailable(o, err)
	}
	options := []oauth2.AuthCodeOption{
		oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier), oauth2.SetAuthURLParam("response_mode", "query"),
		oauth2.SetAuthURLParam("login_hint", p.UserID),
	}
	if p.SessionID != "" {
		options = append(options, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(MaxAge.Seconds()))))
	}
	if p.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	if acr := o.IdentityProvider.SecondFactorACR; len(acr) > 0 {
		options = append(options, oauth2.SetAuthURLParam("acr_values", strings.Join(acr, " ")))
	}
	return client.AuthCodeURL(p.State, options...), nil
}

// of tells whether the sign-in was begun for this organization and its provider of
// this moment.
func (p pending) of(o *org.Organization) bool {
	return o.IdentityProvider.On() && p.OrgID == o.ID && p.Issuer == o.IdentityProvider.Issuer && p.ClientID == o.IdentityProvider.ClientID
}

// Back is what a provider's answer says, as the browser brings it.
type Back struct {
	State, Code, Issuer, Error string
}

// ReadBack reads an answer from an address. An answer says each thing once
// (RFC 6749, 3.1). Problem BadInput.
func ReadBack(query url.Values) (b Back, err error) {
	for name, into := range map[string]*string{"state": &b.State, "code": &b.Code, "iss": &b.Issuer, "error": &b.Error} {
		values := query[name]
		if len(values) > 1 || len(values) == 1 && len(values[0]) > 4096 {
			return Back{}, problem.New(problem.BadInput)
		}
		if len(values) == 1 {
			*into = values[0]
		}
	}
	return b, nil
}

// take uses a sign-in under way up: once, in its own browser. A stranger's browser
// uses nothing up.
func (s *Service) take(ctx context.Context, cookie, state string) (p pending, err error) {
	if cookie == "" || state == "" {
		return p, problem.New(problem.Expired)
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		p = pending{}
		r, err := selectByBrowser(ctx, tx, hash(cookie))
		if errors.Is(err, store.ErrNoRows) {
			return problem.New(problem.Expired)
		}
		if err != nil {
			return fmt.Errorf("answer of the provider: %w", err)
		}
		if subtle.ConstantTimeCompare(r.state, hash(state)) != 1 || !r.expires.After(tx.Now()) {
			return problem.New(problem.Expired)
		}
		first, err := use(ctx, tx, r.id)
		if err != nil {
			return fmt.Errorf("answer of the provider: %w", err)
		}
		if !first {
			return problem.New(problem.Expired)
		}
		p, err = s.open(r)
		return err
	})
	return p, err
}

// Finish judges a provider's answer. The Ask is given whenever it is this
// browser's, so that what failed can be recorded. Problems: Expired (no sign-in
// of this browser waits for it), ProviderRefused, ProviderUnavailable,
// ProviderInvalid, ProviderOld.
func (s *Service) Finish(ctx context.Context, o *org.Organization, cookie string, b Back) (Identity, Ask, error) {
	p, err := s.take(ctx, cookie, b.State)
	if err != nil {
		return Identity{}, Ask{}, err
	}
	if !p.of(o) {
		return Identity{}, p.Ask, invalid(o, "organization")
	}
	k, err := s.reach(ctx, o)
	if err != nil {
		return Identity{}, p.Ask, err
	}
	switch {
	case b.Issuer != "" && b.Issuer != p.Issuer, b.Issuer == "" && k.meta.SendsIss:
		return Identity{}, p.Ask, invalid(o, "iss")
	case b.Error != "":
		return Identity{}, p.Ask, problem.New(problem.ProviderRefused, "name", o.IdentityProvider.Name).Because(said(b.Error))
	case b.Code == "":
		return Identity{}, p.Ask, invalid(o, "code")
	}
	id, err := s.redeem(ctx, o, k, p, b.Code)
	return id, p.Ask, err
}

// fault is why something failed, in a word or two of ours: what a provider writes
// into its errors may be anything.
type fault string

func (f fault) Error() string { return string(f) }

// Why gives the word of ours for why a provider's answer was refused.
func Why(err error) string {
	var f fault
	if errors.As(err, &f) {
		return string(f)
	}
	return ""
}

// said keeps an error code that the standards name.
func said(code string) fault {
	switch code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required",
		"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
		"unmet_authentication_requirements":
		return fault(code)
	}
	return "other"
}

func invalid(o *org.Organization, why fault) error {
	return problem.New(problem.ProviderInvalid, "name", o.IdentityProvider.Name).Because(why)
}

// reasonOf says why a provider was not reached, without a word of what it said.
func reasonOf(err error) string {
	var (
		f     fault
		wrong *oidc.IssuerMismatchError
		long  interface{ Timeout() bool }
		cert  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &f):
		return string(f)
	case errors.As(err, &wrong):
		return OtherIssuer
	case egress.Refused(err):
		return NotPublic
	case errors.As(err, &cert):
		return Untrusted
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &long) && long.Timeout():
		return TooSlow
	case strings.Contains(err.Error(), "client_secret_file"), strings.Contains(err.Error(), "ca_file"):
		return err.Error() // ours, and of the operator's files
	}
	return Unreachable
}

// Purge drops sign-ins that can end nowhere any more.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) error {
	if err := purge(ctx, tx, tx.Now()); err != nil {
		return fmt.Errorf("purge sign-ins at providers: %w", err)
	}
	return nil
}
