package portal

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/web/page"
)

// verifyPage is one gate: choosing a method, then proving it.
type verifyPage struct {
	page.Base
	Gate, Gates int
	Choices     []reset.Choice
	Chosen      reset.Choice
	Numeric     bool // the code is digits
	Digits      int
	Minutes     int
	Several     bool
	Questions   []questionLine
	Passkey     page.Passkey
	// Hidden shows nothing of the account.
	Hidden bool
	// NeedsNumber asks for the whole number (or, hidden, address) before anything is sent.
	NeedsNumber bool
	Typed       string
	delivery
	pushWait
}

// questionLine is a question with its field.
type questionLine struct{ Field, Text string }

// answersOf gives answer_1, answer_2 and so on of a form as one answer; a form
// without them gives its code.
func answersOf(form page.Form) string {
	var all []string
	for {
		answer, ok := form[fmt.Sprintf("answer_%d", len(all)+1)]
		if !ok || len(all) == mostAnswers {
			break
		}
		all = append(all, answer)
	}
	if len(all) == 0 {
		return form["code"]
	}
	return challenge.Answers(all)
}

// mostAnswers is how many questions a policy can ask.
const mostAnswers = 5

func (p *Portal) getVerify(w http.ResponseWriter, r *http.Request) error {
	view, answered, err := p.view(w, r)
	if answered || err != nil {
		return err
	}
	shown := p.verifyPage(r, view)
	return p.Pages.Write(w, r, http.StatusOK, "reset_verify", shown)
}

func (p *Portal) verifyPage(r *http.Request, v reset.View) *verifyPage {
	shown := &verifyPage{Gate: v.Gate, Gates: v.Gates, Choices: v.Choices, Chosen: v.Chosen}
	if v.Step.Page == reset.PageChoose {
		shown.Base, shown.Hidden = baseOf(v, string(reset.PageChoose), "reset.choose.title"), v.Flow.Hidden()
		return shown
	}
	shown.Base = baseOf(v, string(reset.PageVerify), "reset.verify.title."+string(v.Chosen.Kind))
	shown.BackTo, shown.About = "", helpFor(v.Chosen.Kind)
	shown.Passkey.Options = v.Options
	shown.delivery = deliveryOf(v.Org, v.Chosen.Kind, v.Chosen.Masked, v.Challenge, v.Progress, p.DB.Now())
	shown.NeedsNumber = v.Challenge.NeedsDestination() || v.NeedsDestination
	shown.pushWait = p.pushWait(v.Chosen.Kind, v.Number, false)
	if shown.Hidden = v.Flow.Hidden(); shown.Hidden {
		shown.To = v.Flow.SentTo()
	}
	shown.Numeric, shown.Digits, shown.Minutes = numeric(v.Chosen.Kind), digitsOf(v), v.Challenge.MinutesLeft(p.DB.Now(), v.Org.Policy.Codes.Minutes)
	for i, q := range v.Questions {
		shown.Questions = append(shown.Questions, questionLine{fmt.Sprintf("answer_%d", i+1), q.Text(page.Lang(r))})
	}
	usable := 0
	for _, c := range v.Choices {
		if c.Usable {
			usable++
		}
	}
	shown.Several = usable > 1
	return shown
}

// numeric tells whether what proves a kind is made of digits.
func numeric(k method.Kind) bool {
	return k != method.RecoveryCode && k != method.TemporaryAccessPass
}

func digitsOf(v reset.View) int {
	if v.Chosen.Digits > 0 {
		return v.Chosen.Digits
	}
	return v.Org.Policy.Codes.Digits
}

func (p *Portal) postVerify(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	flow, answered, err := p.flow(w, r)
	if answered || err != nil {
		return err
	}
	reply, err := p.verifyStep(r, flow, form)
	if err != nil {
		refusal, ok := problem.As(err)
		if !ok || refusal.Code.Status() >= http.StatusInternalServerError {
			return p.failed(w, r, err)
		}
		reply = reset.Reply{Flow: flow, Code: refusal.Code, RetryAfter: refusal.RetryAfter}
	}
	if reply.Code == "" {
		return page.See(w, r, reply.Step.Path)
	}
	return p.verifyRefused(w, r, reply, form)
}

// verifyStep does what the form asks for: choosing a method also sends its code.
func (p *Portal) verifyStep(r *http.Request, flow reset.Flow, form page.Form) (reset.Reply, error) {
	by := page.Actor(r)
	destination, typed := form["destination"]
	switch {
	case form["action"] == "back":
		return p.Reset.Back(r.Context(), by, flow)
	case form["action"] == "resend":
		return p.Reset.SendBy(r.Context(), by, flow, channelOf(form))
	case form["action"] == "verify" || form["action"] == "" && answersOf(form) != "":
		chosen := form["method"]
		if chosen == "" {
			chosen = flow.MethodID
		}
		return p.Reset.Answer(r.Context(), by, flow, chosen, answersOf(form))
	case form["action"] != "" && form["action"] != "send":
		return reset.Reply{Flow: flow, Code: problem.BadInput}, nil // no word of our forms, and none that sends a message
	case form["method"] == "" && (flow.State != reset.Verifying || !typed):
		return reset.Reply{Flow: flow, Code: problem.Required}, nil
	}
	reply, err := p.Reset.ChooseAndSend(r.Context(), by, flow, cmp.Or(form["method"], flow.MethodID), channelOf(form))
	switch {
	case err != nil || reply.Code != "" || !reply.NeedsDestination:
		return reply, err
	case !typed: // the page asks for the number
		return reply, nil
	case destination == "":
		return reset.Reply{}, problem.New(problem.Required).On("destination")
	}
	return p.Reset.Destine(r.Context(), by, reply.Flow, destination, channelOf(form))
}

// tried are the refusals that count a try.
var tried = []problem.Code{problem.CodeWrong, problem.AnswersWrong, problem.DestinationWrong}

// verifyRefused shows the page where the flow stands now, with the refusal.
func (p *Portal) verifyRefused(w http.ResponseWriter, r *http.Request, reply reset.Reply, form page.Form) error {
	flow, answered, err := p.flow(w, r)
	if answered || err != nil {
		return err
	}
	view, err := p.Reset.View(r.Context(), flow)
	if err != nil {
		return p.failed(w, r, err)
	}
	if view.Step.Path != r.URL.Path {
		return page.See(w, r, view.Step.Path)
	}
	shown := p.verifyPage(r, view)
	refusal := problem.New(reply.Code).After(reply.RetryAfter)
	if view.Step.Page == reset.PageVerify {
		refusal = refusal.On("code")
		if shown.NeedsNumber {
			refusal, shown.Typed = refusal.On("destination"), form["destination"]
		}
	}
	if slices.Contains(tried, reply.Code) && reply.Left > 0 && reply.Left < 3 {
		shown.Notice, shown.NoticeArgs = "reset.verify.left", []any{"count", reply.Left}
	}
	return p.refuseProof(w, r, "reset_verify", shown, &shown.Base, refusal, view.Chosen.Kind)
}

// passwordPage asks for the new password.
type passwordPage struct {
	page.Base
	Rules     []ruleLine
	CanUnlock bool
	First     bool
}

func (p *Portal) newPasswordPage(r *http.Request, v reset.View) *passwordPage {
	shown := &passwordPage{Base: baseOf(v, string(reset.PagePassword), "reset.password.title"), CanUnlock: v.CanUnlock, First: v.Flow.Reason == reset.NeverReceived}
	shown.BackTo = ""
	shown.Rules = ruleLines(r, v.Rules)
	return shown
}

func (p *Portal) getNewPassword(w http.ResponseWriter, r *http.Request) error {
	view, answered, err := p.view(w, r)
	if answered || err != nil {
		return err
	}
	return p.Pages.Write(w, r, http.StatusOK, "reset_password", p.newPasswordPage(r, view))
}

func (p *Portal) postNewPassword(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	flow, answered, err := p.flow(w, r)
	if answered || err != nil {
		return err
	}
	if flow.State != reset.ChoosingPassword && flow.State != reset.Writing {
		return page.See(w, r, p.pathOf(r, flow))
	}
	if refusal := unfinished(form); refusal != nil {
		view, answered, err := p.viewOf(w, r, flow)
		if answered || err != nil {
			return err
		}
		shown := p.newPasswordPage(r, view)
		return p.refuse(w, r, "reset_password", shown, &shown.Base, refusal)
	}
	var reply reset.Reply
	switch {
	case form["action"] == "unlock":
		reply, err = p.Reset.Unlock(r.Context(), page.Actor(r), flow)
	default:
		reply, err = p.Reset.SetPassword(r.Context(), page.Actor(r), flow, form["new_password"])
	}
	busy, ok := problem.As(err)
	if ok && busy.Code != problem.Busy && busy.Code != problem.StillWriting || !ok && err != nil {
		return p.failed(w, r, err)
	}
	if !ok && reply.Code == "" {
		return page.See(w, r, reply.Step.Path)
	}
	// Only a refusal needs what the page shows.
	view, err := p.Reset.View(r.Context(), flow)
	if err != nil {
		return p.failed(w, r, err)
	}
	shown := p.newPasswordPage(r, view)
	if ok {
		if busy.Code == problem.StillWriting {
			// The page looks again by itself: it goes on where the other attempt is done.
			w.Header().Set("Refresh", fmt.Sprintf("%d; url=/reset/password", int(busy.RetryAfter/time.Second)+1))
		}
		return p.refuse(w, r, "reset_password", shown, &shown.Base, busy)
	}
	refusal := problem.New(reply.Code).On("new_password").After(reply.RetryAfter)
	shown.Refuse(refusal, page.Lang(r))
	if len(reply.Refusals) > 0 {
		refusePassword(r, &shown.Base, reply.Refusals)
	}
	page.RetryAfter(w, reply.RetryAfter)
	return p.Pages.Write(w, r, reply.Code.Status(), "reset_password", shown)
}

// unfinished is what the form of a new password lacks; nil: nothing.
func unfinished(form page.Form) *problem.Error {
	switch {
	case form["action"] == "unlock":
		return nil
	case form["new_password"] == "":
		return problem.New(problem.Required).On("new_password")
	case form["new_password"] != form["confirm_password"]:
		return problem.New(problem.PasswordMismatch).On("confirm_password")
	}
	return nil
}

// donePage says that it worked.
type donePage struct {
	page.Base
	Unlocked bool
}

func (p *Portal) getDone(w http.ResponseWriter, r *http.Request) error {
	view, answered, err := p.view(w, r)
	if answered || err != nil {
		return err
	}
	name := string(view.Step.Page)
	shown := &donePage{Base: baseOf(view, name, "reset.done.title"), Unlocked: view.Step.Page == reset.PageUnlockDone}
	if shown.Unlocked {
		shown.Title = "reset.unlocked.title"
	}
	shown.BackTo = ""
	return p.Pages.Write(w, r, http.StatusOK, "reset_done", shown)
}

// waitLeft is how long a blocked person waits.
func waitLeft(f reset.Flow, now time.Time) time.Duration {
	if f.RetryAt.After(now) {
		return f.RetryAt.Sub(now)
	}
	return 0
}
