package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// What is asked for on a person's page besides the acts of one button.
const (
	sendCode      admin.Action = "send_code"
	verifyCode    admin.Action = "verify_code"
	endSession    admin.Action = "end_session"
	deleteMethod  admin.Action = "delete_method"
	restoreMethod admin.Action = "restore_method"
	barMethod     admin.Action = "bar_method"
)

// helpView is what helps a person on the phone: who calls, a pass, a whole address.
type helpView struct {
	MayAsk, MayIssue, MaySee bool
	// Waits tells that every act waits until the caller is verified.
	Waits bool

	Caller   admin.Caller
	Pass     org.PassPolicy
	Minutes  string
	Reusable bool

	// Issued and Shown are told in this answer and never again.
	Issued         *helpdesk.Pass
	ShownID, Shown string
}

func (c *Console) help(r *http.Request, d desk, p admin.Person) (h helpView, err error) {
	h.MayAsk, h.MayIssue, h.MaySee = d.as.MayOn(admin.VerifyCaller, p), d.as.MayOn(admin.IssuePass, p), d.as.MayOn(admin.SeeValues, p)
	h.Pass = d.Org.Policy.TemporaryAccessPass
	h.Minutes = strconv.Itoa(h.Pass.DefaultMinutes)
	if h.MayAsk {
		h.Caller, err = c.Admin.Caller(r.Context(), d.as, p)
		h.Waits = d.as.KnowsFirst() && h.Caller.VerifiedAt.IsZero()
	}
	return h, err
}

// act does what was asked for. shown tells that the answer holds what is told
// once, and is not to be asked for again.
func (c *Console) act(r *http.Request, d desk, view *personPage, what admin.Action, form page.Form) (shown bool, err error) {
	ctx, h := r.Context(), &view.Help
	switch what {
	case sendCode:
		return false, c.Admin.AskCaller(ctx, d.as, d.Org, view.Person, form["method"])
	case verifyCode:
		return false, c.Admin.VerifyCaller(ctx, d.as, d.Org, view.Person, form["code"])
	case endSession:
		return false, c.Admin.EndSession(ctx, d.as, d.Org, view.Person, form["session"])
	case deleteMethod, barMethod:
		return false, c.Admin.DeleteMethod(ctx, d.as, d.Org, view.Person, form["method"])
	case restoreMethod:
		return false, c.Admin.RestoreMethod(ctx, d.as, d.Org, view.Person, form["method"])
	case admin.SeeValues:
		h.Shown, err = c.Admin.Value(ctx, d.as, d.Org, view.Person, form["method"])
		h.ShownID = form["method"]
		if err != nil {
			h.ShownID = ""
		}
		return true, err
	case admin.ErasePerson:
		return false, c.Admin.Erase(ctx, d.as, d.Org, view.Person, form["confirm"])
	case admin.IssuePass:
		h.Minutes, h.Reusable = form["minutes"], form["reusable"] != ""
		minutes, err := strconv.Atoi(strings.TrimSpace(form["minutes"]))
		if err != nil || minutes <= 0 {
			return false, problem.New(problem.PassMinutes, "min", h.Pass.MinMinutes, "max", h.Pass.MaxMinutes).On("minutes")
		}
		pass, err := c.Admin.IssuePass(ctx, d.as, d.Org, view.Person, time.Time{}, minutes, h.Reusable)
		if err != nil {
			return false, err
		}
		again, err := c.person(r, d)
		if err != nil {
			return false, err
		}
		*view = *again
		view.Help.Issued = &pass
		return true, nil
	}
	return false, c.Admin.Do(ctx, d.as, d.Org, view.Person, what)
}
