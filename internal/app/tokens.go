package app

import (
	"context"
	"fmt"
	"io"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/token"
)

// ImportTokens reads a file of hardware tokens into an organization.
func (a *App) ImportTokens(ctx context.Context, slug string, file io.Reader, skipBad bool) (token.Report, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return token.Report{}, err
	}
	return a.Tokens.Import(ctx, operator, o, file, skipBad)
}

// BadToken is a bad row of a token file in one sentence.
func BadToken(r token.BadRow) string {
	where := fmt.Sprintf("line %d", r.Line)
	if r.Column != "" {
		where += ", " + r.Column
	}
	return where + ": " + i18n.For("en").T("token.import."+r.Reason)
}

// HeldToken is a token with whom it was handed to.
type HeldToken struct {
	method.Token
	UserID string // empty: nobody, or somebody who left the directory
}

// ListTokens gives an organization's tokens with who has them.
func (a *App) ListTokens(ctx context.Context, slug string) ([]HeldToken, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return nil, err
	}
	tokens, err := a.Tokens.List(ctx, o)
	if err != nil {
		return nil, err
	}
	names := map[string]string{"": ""}
	all := make([]HeldToken, len(tokens))
	for i, t := range tokens {
		name, known := names[t.AccountID]
		if !known {
			holder, err := a.Accounts.Load(ctx, o, t.AccountID)
			if err != nil && !problem.Has(err, problem.NotFound) {
				return nil, err
			}
			name = holder.Entry.UserID
			names[t.AccountID] = name
		}
		all[i] = HeldToken{t, name}
	}
	return all, nil
}

// AssignToken hands a token to somebody.
func (a *App) AssignToken(ctx context.Context, p Person, serial string) error {
	return tokenRefusal(a.Tokens.Assign(ctx, operator, p.Org, serial, p.Account), p.Org, serial,
		"somebody else has the token %s; take it back first: kunci token take --org %[2]s %[1]s")
}

// ActivateToken makes somebody's token count by codes that it shows.
func (a *App) ActivateToken(ctx context.Context, p Person, serial string, codes []string) error {
	if serial == "" {
		var err error
		if serial, err = a.onlyToken(ctx, p); err != nil {
			return err
		}
	}
	return tokenRefusal(a.Tokens.Activate(ctx, operator, p.Org, p.Account, serial, codes...), p.Org, serial, "the token %s is active already")
}

// onlyToken is the serial number of the one token that a person could activate.
func (a *App) onlyToken(ctx context.Context, p Person) (string, error) {
	var waiting []string
	err := a.DB.Read(ctx, func(tx *store.Tx) error {
		tokens, err := a.Methods.Tokens(ctx, tx, p.Org.ID, p.Account.ID)
		for _, t := range tokens {
			if !t.Active {
				waiting = append(waiting, t.Serial)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return "", err
	case len(waiting) == 0:
		return "", fmt.Errorf("%s has no token that waits to be activated", p.Account.Entry.UserID)
	case len(waiting) > 1:
		return "", fmt.Errorf("%s has several tokens that wait to be activated; name one with --serial", p.Account.Entry.UserID)
	}
	return waiting[0], nil
}

// TakeToken takes a token back.
func (a *App) TakeToken(ctx context.Context, slug, serial string) error {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return err
	}
	return tokenRefusal(a.Tokens.Take(ctx, operator, o, serial), o, serial, "nobody has the token %s")
}

// DropToken forgets a token that nobody has.
func (a *App) DropToken(ctx context.Context, slug, serial string) error {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return err
	}
	return tokenRefusal(a.Tokens.Drop(ctx, operator, o, serial), o, serial,
		"somebody has the token %s; take it back first: kunci token take --org %[2]s %[1]s")
}

// tokenRefusal says what a refusal means for a token.
func tokenRefusal(err error, o *org.Organization, serial, conflict string) error {
	switch {
	case problem.Has(err, problem.NotFound):
		return fmt.Errorf("there is no such token %s here; see: kunci token list --org %s", serial, o.Slug)
	case problem.Has(err, problem.Conflict):
		return fmt.Errorf(conflict, serial, o.Slug)
	}
	return err
}
