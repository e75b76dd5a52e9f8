package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Rooms are the rooms of the running product that the demo fills and reads.
type Rooms struct {
	DB       *store.DB
	Orgs     *org.Service
	Accounts *account.Service
	Methods  *method.Service
	Helpdesk interface {
		Open(ctx context.Context, tx *store.Tx, by audit.Actor, in helpdesk.In) error
	}
}

func (r Rooms) check() error {
	if r.DB == nil || r.Orgs == nil || r.Accounts == nil || r.Methods == nil || r.Helpdesk == nil {
		return errors.New("demo: a room is missing")
	}
	return nil
}

const slug = "contoso"

var actor = audit.Actor{Kind: audit.System}

// seed makes Contoso and its people unless they are there already, and tells
// whether it did.
func seed(ctx context.Context, r Rooms) (fresh bool, err error) {
	if err := r.check(); err != nil {
		return false, err
	}
	documents, err := org.Parse(bytes.NewReader(organizationFile), "")
	if err != nil {
		return false, fmt.Errorf("demo organization: %w", err)
	}
	there := true
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		_, err := r.Orgs.BySlug(ctx, tx, slug)
		if p, ok := problem.As(err); ok && p.Code == problem.NotFound {
			there = false
			return nil
		}
		return err
	})
	if err != nil || there {
		return false, err
	}
	var o *org.Organization
	err = r.DB.Write(ctx, func(tx *store.Tx) error {
		for _, document := range documents {
			if _, err := r.Orgs.Apply(ctx, tx, actor, document); err != nil {
				return err
			}
		}
		o, err = r.Orgs.BySlug(ctx, tx, slug)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("demo organization: %w", err)
	}
	if _, err := r.Accounts.Import(ctx, o, actor, bytes.NewReader(peopleFile), account.NDJSON, account.ImportOptions{}); err != nil {
		return false, fmt.Errorf("demo people: %w", err)
	}
	for _, p := range people {
		if err := register(ctx, r, o, p); err != nil {
			return false, fmt.Errorf("demo person %s: %w", p.ID, err)
		}
	}
	return true, nil
}

// register gives a person what an account file cannot: an authenticator app,
// a request for help, and having been through registration.
func register(ctx context.Context, r Rooms, o *org.Organization, p person) error {
	a, err := r.Accounts.Find(ctx, o, p.UserID)
	if err != nil {
		return err
	}
	return r.DB.Write(ctx, func(tx *store.Tx) error {
		if p.Authenticator {
			secret, err := method.NewSeed()
			if err != nil {
				return err
			}
			_, err = r.Methods.Add(ctx, tx, method.Method{
				OrgID: o.ID, AccountID: a.ID, Kind: method.AuthenticatorCode, Name: "Demo", Secret: secret,
				Proved: true, ProvedBy: method.ByPerson,
			})
			if err != nil {
				return err
			}
		}
		if p.Asks != "" {
			asks := audit.Actor{Kind: audit.Anonymous, UserAgent: "Demo"}
			in := helpdesk.In{Org: o, AccountID: a.ID, UserID: p.UserID, Problem: problem.NotVerified, Message: p.Asks}
			if err := r.Helpdesk.Open(ctx, tx, asks, in); err != nil {
				return err
			}
		}
		if !p.Registered {
			return nil
		}
		return r.Accounts.MarkRegistered(ctx, tx, actor, o.ID, a.ID)
	})
}

// lock has the locked people locked the way everyone is: by wrong passwords.
func lock(ctx context.Context, r Rooms) error {
	o, err := organization(ctx, r)
	if err != nil {
		return err
	}
	d, err := r.Accounts.Directory(o)
	if err != nil {
		return err
	}
	for _, p := range people {
		if !p.Locked {
			continue
		}
		entry, err := d.LookUp(ctx, p.UserID)
		if err != nil {
			return fmt.Errorf("demo person %s: %w", p.ID, err)
		}
		// Different ones: a repeated wrong password is not counted again.
		for i := range o.Policy.Lockout.Threshold {
			if _, err := d.CheckPassword(ctx, entry.Key, fmt.Sprintf("wrong password %d", i)); err != nil {
				return fmt.Errorf("demo person %s: %w", p.ID, err)
			}
		}
	}
	return nil
}

func organization(ctx context.Context, r Rooms) (o *org.Organization, err error) {
	err = r.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = r.Orgs.BySlug(ctx, tx, slug)
		return err
	})
	return o, err
}

// authenticators gives the secrets of the people's apps by user ID. Only a demo
// may show what they are for.
func authenticators(ctx context.Context, r Rooms) (map[string][]byte, error) {
	o, err := organization(ctx, r)
	if err != nil {
		return nil, err
	}
	secrets := make(map[string][]byte)
	for _, p := range people {
		if !p.Authenticator {
			continue
		}
		a, err := r.Accounts.Find(ctx, o, p.UserID)
		if err != nil {
			return nil, fmt.Errorf("demo person %s: %w", p.ID, err)
		}
		err = r.DB.Read(ctx, func(tx *store.Tx) error {
			all, err := r.Methods.List(ctx, tx, o.ID, a.ID)
			for _, m := range all {
				if m.Kind == method.AuthenticatorCode && m.Name == "Demo" {
					secrets[p.UserID] = m.Secret
				}
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("demo person %s: %w", p.ID, err)
		}
	}
	return secrets, nil
}

// period is how long a code of an app is shown (RFC 6238, 5.2).
const period = 30 * time.Second
