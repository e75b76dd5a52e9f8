package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// operator is who acts through the command line: whoever may read the keys.
var operator = audit.Actor{Kind: audit.CLI}

// Organization gives an organization by its short name.
func (a *App) Organization(ctx context.Context, slug string) (*org.Organization, error) {
	var o *org.Organization
	err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = a.Orgs.BySlug(ctx, tx, slug)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		return nil, fmt.Errorf("there is no organization %q; see: kunci org list%s", slug, configFlag(a.Config))
	}
	return o, err
}

// Organizations gives all of them by their short names.
func (a *App) Organizations(ctx context.Context) (all []*org.Organization, err error) {
	err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = a.Orgs.List(ctx, tx)
		return err
	})
	return all, err
}

// Applied says what a document changed.
type Applied struct {
	Organization string       `json:"organization"`
	Changes      []org.Change `json:"changes"`
	// Warnings are what this node cannot do of what the document asks for.
	Warnings []string `json:"warnings,omitempty"`
}

var unreachable = map[method.Kind]string{
	method.MobilePhone: "mobile_phone is in the policy, but this node has no gateway for texts or calls, so nobody is offered it; set sms or voice in the configuration",
	method.OfficePhone: "office_phone is in the policy, but this node has no gateway for calls, so nobody is offered it; set voice in the configuration",
}

// Apply makes organizations what a file says: all of them, or, when one is
// wrong, none. Files that it names are looked for in folder.
func (a *App) Apply(ctx context.Context, file io.Reader, folder string) ([]Applied, error) {
	documents, err := org.Parse(file, folder)
	if err != nil {
		return nil, err
	}
	var all []Applied
	err = a.DB.Write(ctx, func(tx *store.Tx) error {
		all = nil
		for _, d := range documents {
			before, err := a.Orgs.BySlug(ctx, tx, d.Slug)
			if err != nil && !problem.Has(err, problem.NotFound) {
				return err
			}
			changes, err := a.Orgs.Apply(ctx, tx, operator, d)
			if problem.Has(err, problem.Conflict) {
				return fmt.Errorf("the organization %s was changed by somebody else at the same time; run this again", d.Slug)
			}
			if err != nil {
				return fmt.Errorf("the organization %s is not taken:\n%w", d.Slug, err)
			}
			applied := Applied{Organization: d.Slug, Changes: changes}
			o, err := a.Orgs.BySlug(ctx, tx, d.Slug)
			if err != nil {
				return err
			}
			if before != nil && o.Version != before.Version {
				if err := a.Admin.TellOwners(ctx, tx, operator, before, o); err != nil {
					return err
				}
			}
			for _, k := range o.Unreachable() {
				applied.Warnings = append(applied.Warnings, unreachable[k])
			}
			all = append(all, applied)
		}
		return nil
	})
	return all, err
}

// Person is an account with what belongs to it.
type Person struct {
	Org     *org.Organization
	Account account.Account
	Methods []method.Method
	Role    org.Role // empty: no administrator
}

// Person finds somebody: in the organization that is named, or, with an empty
// slug, in that of the user ID's domain.
func (a *App) Person(ctx context.Context, slug, userID string) (p Person, err error) {
	if p.Org, err = a.organizationOf(ctx, slug, userID); err != nil {
		return p, err
	}
	p.Account, err = a.Accounts.Find(ctx, p.Org, userID)
	switch {
	case problem.Has(err, problem.NotFound):
		return p, fmt.Errorf("%s has no account %q", p.Org.Slug, userID)
	case problem.Has(err, problem.DirectoryUnavailable):
		return p, fmt.Errorf("the directory of %s does not answer; try again", p.Org.Slug)
	case err != nil:
		return p, err
	}
	p.Role, _ = p.Org.RoleOf(p.Account.Entry.UserID, p.Account.Entry.Groups)
	err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if p.Methods, err = a.Methods.List(ctx, tx, p.Org.ID, p.Account.ID); err != nil {
			return err
		}
		p.Methods, err = a.Accounts.Foresee(ctx, tx, p.Org, p.Account, p.Methods)
		return err
	})
	return p, err
}

func (a *App) organizationOf(ctx context.Context, slug, userID string) (*org.Organization, error) {
	if slug != "" {
		return a.Organization(ctx, slug)
	}
	var o *org.Organization
	err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = a.Orgs.ForUserID(ctx, tx, userID)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		return nil, fmt.Errorf("no organization has the domain of %q; name one with --org", userID)
	}
	return o, err
}

// Unlock lifts the lock of the directory, where it lets us, and every limit on
// the person's resets.
func (a *App) Unlock(ctx context.Context, p Person) error {
	d, err := a.Accounts.Directory(p.Org)
	if err != nil {
		return err
	}
	if !d.Capabilities().Unlock {
		return a.do(ctx, p, admin.ClearLimits)
	}
	if err := a.do(ctx, p, admin.Unlock); err != nil {
		return fmt.Errorf("the directory of %s did not unlock the account: %w", p.Org.Slug, err)
	}
	return nil
}

// RequireRegistration has the person register anew at the next sign-in.
func (a *App) RequireRegistration(ctx context.Context, p Person) error {
	return a.do(ctx, p, admin.RequireRegistration)
}

// Unlink lets the account belong to whoever next signs in with its user ID at the
// organization's identity provider.
func (a *App) Unlink(ctx context.Context, p Person) error {
	err := a.do(ctx, p, admin.Unlink)
	if problem.Has(err, problem.NotFound) {
		return fmt.Errorf("%s is linked to no identity", p.Account.Entry.UserID)
	}
	return err
}

// Freeze stops the person's resets; lift allows them again.
func (a *App) Freeze(ctx context.Context, p Person, lift bool) error {
	if lift {
		return a.do(ctx, p, admin.Unfreeze)
	}
	return a.do(ctx, p, admin.Freeze)
}

func (a *App) do(ctx context.Context, p Person, what admin.Action) error {
	return a.Admin.Do(ctx, admin.Operator(), p.Org, admin.Person{Account: p.Account}, what)
}

// IssuePass makes a Temporary Access Pass for somebody.
func (a *App) IssuePass(ctx context.Context, p Person, starts time.Time, minutes int, reusable bool) (helpdesk.Pass, error) {
	return a.Helpdesk.IssuePass(ctx, operator, helpdesk.PassOrder{
		Org: p.Org, Account: p.Account, Starts: starts, Minutes: minutes, Reusable: reusable,
	})
}

// RevokePass takes somebody's pass back.
func (a *App) RevokePass(ctx context.Context, p Person) error {
	err := a.DB.Write(ctx, func(tx *store.Tx) error { return a.Helpdesk.RevokePass(ctx, tx, operator, "", p.Org, p.Account) })
	if problem.Has(err, problem.NotFound) {
		return fmt.Errorf("%s has no Temporary Access Pass", p.Account.Entry.UserID)
	}
	return err
}

// Import reads an account file into an organization.
func (a *App) Import(ctx context.Context, slug string, file io.Reader, format account.Format, o account.ImportOptions) (account.ImportReport, error) {
	found, err := a.Organization(ctx, slug)
	if err != nil {
		return account.ImportReport{}, err
	}
	return a.Accounts.Import(ctx, found, operator, file, format, o)
}

// BadRow is a bad row of an account file in one sentence.
func BadRow(r account.BadRow) string {
	where := fmt.Sprintf("line %d", r.Line)
	if r.Column != "" {
		where += ", " + r.Column
	}
	return where + ": " + i18n.For("en").T("account.import."+r.Reason)
}

// Answer is one rule of "can this person reset" with its answer.
type Answer struct {
	Rule    string       `json:"rule"`
	OK      bool         `json:"ok"`
	Text    string       `json:"text"`
	Problem problem.Code `json:"problem,omitempty"`
}

// CanReset answers every rule, in the order in which the first "no" decides.
// The problem is the dead end that the person would meet; empty for none.
func (a *App) CanReset(ctx context.Context, slug, userID string) (answers []Answer, met problem.Code, err error) {
	o, err := a.organizationOf(ctx, slug, userID)
	if err != nil {
		return nil, "", err
	}
	rules, err := a.Reset.Explain(ctx, o, userID)
	if err != nil {
		return nil, "", err
	}
	printer := i18n.For("en")
	for _, r := range rules {
		var args []any
		for name, value := range r.Args {
			args = append(args, name, value)
		}
		answers = append(answers, Answer{r.Name, r.OK, printer.T(r.Key, args...), r.Problem})
		if !r.OK && met == "" {
			met = r.Problem
		}
	}
	return answers, met, nil
}

// Export writes the events that match as NDJSON, oldest first, and tells how many.
func (a *App) Export(ctx context.Context, out io.Writer, q audit.Query) (int, error) {
	// What waits gets its place first, which no node may be there to give.
	if err := a.Audit.Run(ctx); err != nil {
		return 0, err
	}
	return a.Audit.Export(ctx, out, operator, q)
}

// Checkpoint gives waiting events their place in the log and gives the newest
// signed checkpoint.
func (a *App) Checkpoint(ctx context.Context) (string, error) {
	if err := a.Audit.Run(ctx); err != nil {
		return "", err
	}
	signed, err := a.Audit.Checkpoint(ctx)
	if err == nil && signed == "" {
		return "", errors.New("nothing was recorded yet, so there is no checkpoint")
	}
	return signed, err
}

// Sentence is an error for the operator: a refusal in words, with its cause.
func Sentence(err error) string {
	p, ok := problem.As(err)
	if !ok {
		return err.Error()
	}
	var args []any
	for name, value := range p.Args {
		args = append(args, name, value)
	}
	text := i18n.For("en").T("problem."+string(p.Code), args...)
	if p.Cause != nil {
		text += " (" + p.Cause.Error() + ")"
	}
	return text
}
