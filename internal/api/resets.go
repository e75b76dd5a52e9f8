package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/store"
)

// FromFront is who stands before the front end, as its server saw them.
type FromFront struct {
	OrgPath
	Address string `header:"Kunci-Client-Address" required:"true" maxLength:"45" doc:"IP address of the person. Starts are counted by it"`
	Agent   string `header:"Kunci-Client-User-Agent" maxLength:"512" doc:"Browser of the person, for the audit log"`
}

// FlowInput names a flow. The token is a secret and stands in no address.
type FlowInput struct {
	FromFront
	ID    string `path:"id" maxLength:"40"`
	Token string `header:"Kunci-Flow-Token" required:"true" maxLength:"64" doc:"token of start-reset"`
}

type startInput struct {
	FromFront
	Body struct {
		UserID   string `json:"user_id" maxLength:"320"`
		Reason   string `json:"reason,omitempty" enum:"forgot,never_received,locked" doc:"forgot when absent"`
		Language string `json:"language,omitempty" enum:"id,en" doc:"Of messages and sentences; the organization's when absent"`
		Captcha  string `json:"captcha,omitempty" maxLength:"2048" doc:"The solved work, or the wait, of a captcha-needed refusal"`
	}
}

type chooseInput struct {
	FlowInput
	Body struct {
		Method      string `json:"method,omitempty" maxLength:"200" doc:"id of a choice; the chosen one when absent"`
		Destination string `json:"destination,omitempty" maxLength:"320" doc:"The whole number, or address, where needs_destination says so"`
		Channel     string `json:"channel,omitempty" enum:"sms,call" doc:"How a mobile phone is reached"`
	}
}

type resendInput struct {
	FlowInput
	Body struct {
		Channel string `json:"channel,omitempty" enum:"sms,call"`
	}
}

type verifyInput struct {
	FlowInput
	Body struct {
		Method  string   `json:"method,omitempty" maxLength:"200" doc:"id of a choice; the chosen one when absent"`
		Code    string   `json:"code,omitempty" maxLength:"16384" doc:"The code; for a passkey what the browser answered, as JSON text"`
		Answers []string `json:"answers,omitempty" maxItems:"5" doc:"To the questions, in their order"`
	}
}

type newPasswordInput struct {
	FlowInput
	Body struct {
		Password string `json:"new_password" maxLength:"4096"`
	}
}

type contactInput struct {
	FlowInput
	Body struct {
		Message string `json:"message,omitempty" maxLength:"4096" doc:"In the person's words"`
	}
}

type choice struct {
	ID     string      `json:"id"`
	Kind   method.Kind `json:"kind"`
	Name   string      `json:"name,omitempty"`
	Masked string      `json:"masked,omitempty"`
	Digits int         `json:"digits,omitempty" doc:"Of an app's or token's code"`
	Usable bool        `json:"usable"`
	Why    string      `json:"why,omitempty" doc:"Why it cannot be used, for people"`
}

type said struct {
	Rule string `json:"rule"`
	Text string `json:"text" doc:"For people"`
}

// flow is where a reset stands.
type flow struct {
	ID        string     `json:"id"`
	Token     string     `json:"token,omitempty" doc:"Told once. Send it as Kunci-Flow-Token; keep it in no address"`
	Step      string     `json:"step" enum:"choose,verify,password,done,unlocked,problem"`
	Problem   string     `json:"problem,omitempty" doc:"Code of the dead end"`
	Contact   bool       `json:"contact" doc:"A request for help can be sent from here"`
	ExpiresAt time.Time  `json:"expires_at"`
	RetryAt   *time.Time `json:"retry_at,omitempty" doc:"When a blocked person can try again"`
	Support   string     `json:"support_code" doc:"Finds the events of this request"`

	Gate             int             `json:"gate,omitempty" doc:"The proof being given, from 1"`
	Gates            int             `json:"gates,omitempty" doc:"How many are needed"`
	Choices          []choice        `json:"choices,omitempty"`
	Chosen           *choice         `json:"chosen,omitempty"`
	NeedsDestination bool            `json:"needs_destination,omitempty" doc:"Choose again with destination; nothing was sent"`
	Questions        []string        `json:"questions,omitempty"`
	Passkey          json.RawMessage `json:"passkey,omitempty" doc:"Options for navigator.credentials.get on the origin of the public URL"`
	Number           string          `json:"number,omitempty" doc:"To type on the device"`
	Rules            []said          `json:"rules,omitempty" doc:"Of a new password"`
	CanUnlock        bool            `json:"can_unlock,omitempty" doc:"unlock-reset keeps the password"`
}

type flowOutput struct{ Body flow }

// hurdle is the work of a captcha, in ALTCHA's names.
type hurdle struct {
	captcha.Challenge
	Wait        string `json:"wait" doc:"Send this as captcha instead, after the wait"`
	WaitSeconds int    `json:"wait_seconds"`
}

func (a *API) resetOperations() {
	add := func(method, path, id, summary, more string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: more}
	}
	register(a, add(http.MethodPost, "/resets", "start-reset", "Begin a reset",
		"Equal answers for people who do not exist. What comes next is told by get-reset."), admin.LeadResets, a.startReset)
	register(a, add(http.MethodGet, "/resets/{id}", "get-reset", "Where a reset stands", ""), admin.LeadResets,
		func(ctx context.Context, in *FlowInput) (*flowOutput, error) {
			f, _, err := a.flow(ctx, *in)
			if err != nil {
				return nil, err
			}
			return a.stands(ctx, f)
		})
	register(a, add(http.MethodPost, "/resets/{id}/choose", "choose-method", "Choose a method and send its code", ""), admin.LeadResets,
		func(ctx context.Context, in *chooseInput) (*flowOutput, error) {
			return a.step(ctx, in.FlowInput, func(by audit.Actor, f reset.Flow) (reset.Reply, error) {
				return a.choose(ctx, by, f, in)
			})
		})
	register(a, add(http.MethodPost, "/resets/{id}/resend", "resend-code", "Send the code again", ""), admin.LeadResets,
		func(ctx context.Context, in *resendInput) (*flowOutput, error) {
			return a.step(ctx, in.FlowInput, func(by audit.Actor, f reset.Flow) (reset.Reply, error) {
				return a.d.Reset.SendBy(ctx, by, f, notify.Channel(in.Body.Channel))
			})
		})
	register(a, add(http.MethodPost, "/resets/{id}/verify", "verify-method", "Prove the chosen method", ""), admin.LeadResets,
		func(ctx context.Context, in *verifyInput) (*flowOutput, error) {
			answer := in.Body.Code
			if len(in.Body.Answers) > 0 {
				answer = challenge.Answers(in.Body.Answers)
			}
			return a.step(ctx, in.FlowInput, func(by audit.Actor, f reset.Flow) (reset.Reply, error) {
				if answer == "" {
					return reset.Reply{}, problem.New(problem.Required).On("code")
				}
				return a.d.Reset.Answer(ctx, by, f, cmp.Or(in.Body.Method, f.MethodID), answer)
			})
		})
	register(a, add(http.MethodPost, "/resets/{id}/back", "leave-method", "Leave the chosen method; what was proved stays proved", ""), admin.LeadResets,
		func(ctx context.Context, in *FlowInput) (*flowOutput, error) {
			return a.step(ctx, *in, func(by audit.Actor, f reset.Flow) (reset.Reply, error) { return a.d.Reset.Back(ctx, by, f) })
		})
	register(a, add(http.MethodPost, "/resets/{id}/password", "set-new-password", "Set the new password",
		"After a 503 the same step can be repeated."), admin.LeadResets,
		func(ctx context.Context, in *newPasswordInput) (*flowOutput, error) {
			return a.step(ctx, in.FlowInput, func(by audit.Actor, f reset.Flow) (reset.Reply, error) {
				if in.Body.Password == "" {
					return reset.Reply{}, problem.New(problem.Required).On("new_password")
				}
				return a.d.Reset.SetPassword(ctx, by, f, in.Body.Password)
			})
		})
	register(a, add(http.MethodPost, "/resets/{id}/unlock", "unlock-reset", "Unlock and keep the password", ""), admin.LeadResets,
		func(ctx context.Context, in *FlowInput) (*flowOutput, error) {
			return a.step(ctx, *in, func(by audit.Actor, f reset.Flow) (reset.Reply, error) { return a.d.Reset.Unlock(ctx, by, f) })
		})
	register(a, add(http.MethodPost, "/resets/{id}/cancel", "cancel-reset", "Give a reset up",
		"Ends the flow and what was proved in it. One that is over, or whose password is being written, stays as it is."), admin.LeadResets,
		func(ctx context.Context, in *FlowInput) (*flowOutput, error) {
			return a.step(ctx, *in, func(by audit.Actor, f reset.Flow) (reset.Reply, error) { return a.d.Reset.Cancel(ctx, by, f) })
		})
	register(a, add(http.MethodPost, "/resets/{id}/contact", "contact-administrator", "Ask the helpdesk for help from a dead end",
		"The answer is the same for people who do not exist."), admin.LeadResets, a.contact)
}

// front is who acts: somebody nobody has recognized yet, by way of the key.
func front(ctx context.Context, in FromFront) (audit.Actor, error) {
	address, err := netip.ParseAddr(in.Address)
	if err != nil || address.Zone() != "" || address.IsUnspecified() {
		return audit.Actor{}, problem.New(problem.BadInput).On("Kunci-Client-Address")
	}
	by := authority(ctx).By
	by.Kind, by.IP, by.UserAgent = audit.Anonymous, address.Unmap().String(), in.Agent
	return by, nil
}

func (a *API) startReset(ctx context.Context, in *startInput) (*flowOutput, error) {
	by, err := front(ctx, in.FromFront)
	if err != nil {
		return nil, err
	}
	if err := a.hurdle(ctx, by, in.Body.UserID, in.Body.Captcha); err != nil {
		return nil, err
	}
	o := organization(ctx)
	f, token, err := a.d.Reset.Start(ctx, by, reset.StartInput{
		UserID: in.Body.UserID, Reason: reset.Reason(in.Body.Reason), Lang: cmp.Or(in.Body.Language, o.Language), Within: o.ID,
	})
	if err != nil {
		return nil, err
	}
	// Where a flow begins needs no look at it: that would take longer for some.
	out := begun(ctx, f, reset.Next(f, 0, 0))
	out.Body.Token = token
	return out, nil
}

// hurdle counts a start as the pages do, and gives the refusal when a proof of
// work is needed and missing.
func (a *API) hurdle(ctx context.Context, by audit.Actor, userID, sent string) error {
	var refused *problem.Error
	err := a.d.DB.Write(ctx, func(tx *store.Tx) error {
		refused = nil
		o, err := a.d.Orgs.ForUserID(ctx, tx, userID)
		if err != nil && !problem.Has(err, problem.NotFound) {
			return err
		}
		if o != nil && o.ID != organization(ctx).ID {
			o = nil // another organization's policy is not this key's to see
		}
		needed, err := a.d.Captcha.Needed(ctx, tx, o, by.IP)
		if err != nil || !needed {
			return err
		}
		err = a.d.Captcha.Verify(ctx, tx, sent)
		if found, ok := problem.As(err); ok {
			refused = found // a refusal commits: its count must survive
			return nil
		}
		return err
	})
	if err != nil || refused == nil {
		return err
	}
	work, err := a.d.Captcha.Challenge(a.d.DB.Now())
	if err != nil {
		return err
	}
	p := a.refusal(ctx, refused)
	p.Captcha = &hurdle{Challenge: work, Wait: work.Wait, WaitSeconds: int(captcha.Wait.Seconds())}
	if refused.RetryAfter > 0 {
		p.Captcha.Wait, p.Captcha.WaitSeconds = sent, int(refused.RetryAfter.Seconds())+1 // go on with the one that runs
	}
	return p
}

// flow opens what the token opens. Problem NotFound for all that is not a flow of
// the key's organization, or of nobody.
func (a *API) flow(ctx context.Context, in FlowInput) (reset.Flow, audit.Actor, error) {
	by, err := front(ctx, in.FromFront)
	if err != nil {
		return reset.Flow{}, by, err
	}
	f, err := a.d.Reset.Open(ctx, in.Token)
	if problem.Has(err, problem.Cookies) || err == nil && (f.ID != in.ID || f.OrgID != "" && f.OrgID != organization(ctx).ID) {
		err = problem.New(problem.NotFound)
	}
	return f, by, err
}

// step does one step and tells where the flow stands then.
func (a *API) step(ctx context.Context, in FlowInput, do func(audit.Actor, reset.Flow) (reset.Reply, error)) (*flowOutput, error) {
	f, by, err := a.flow(ctx, in)
	if err != nil {
		return nil, err
	}
	reply, err := do(by, f)
	if err != nil {
		return nil, err
	}
	if reply.Code != "" {
		return nil, a.stepRefused(speaking(ctx, f.Lang), reply)
	}
	if f, _, err = a.flow(ctx, in); err != nil {
		return nil, err
	}
	return a.stands(ctx, f)
}

// stepRefused is a refusal that was counted, in the language of the flow.
func (a *API) stepRefused(ctx context.Context, reply reset.Reply) error {
	p := a.refusal(ctx, problem.New(reply.Code).After(reply.RetryAfter))
	switch reply.Code {
	case problem.CodeWrong, problem.AnswersWrong, problem.DestinationWrong:
		p.TriesLeft = &reply.Left
	}
	for _, r := range reply.Refusals {
		p.Rules = append(p.Rules, said{r.Rule, words(ctx).TMap("password.refused."+r.Rule, r.Args)})
	}
	return withHeaders(ctx, p, problem.New(reply.Code).After(reply.RetryAfter))
}

func (a *API) choose(ctx context.Context, by audit.Actor, f reset.Flow, in *chooseInput) (reset.Reply, error) {
	id, channel := cmp.Or(in.Body.Method, f.MethodID), notify.Channel(in.Body.Channel)
	if id == "" {
		return reset.Reply{}, problem.New(problem.Required).On("method")
	}
	reply, err := a.d.Reset.Choose(ctx, by, f, id)
	switch {
	case err != nil || reply.Code != "":
		return reply, err
	case !reply.NeedsDestination:
		return a.d.Reset.SendBy(ctx, by, reply.Flow, channel)
	case in.Body.Destination == "":
		return reply, nil // the answer says that it is needed
	}
	return a.d.Reset.Destine(ctx, by, reply.Flow, in.Body.Destination, channel)
}

func (a *API) contact(ctx context.Context, in *contactInput) (*flowOutput, error) {
	return a.step(ctx, in.FlowInput, func(by audit.Actor, f reset.Flow) (reset.Reply, error) {
		if !f.Contactable() {
			return reset.Reply{}, problem.New(problem.Forbidden)
		}
		return reset.Reply{}, a.d.Reset.Contact(ctx, by, f, in.Body.Message)
	})
}

var steps = map[reset.Page]string{
	reset.PageChoose: "choose", reset.PageVerify: "verify", reset.PagePassword: "password",
	reset.PageDone: "done", reset.PageUnlockDone: "unlocked", reset.PageProblem: "problem",
}

func begun(ctx context.Context, f reset.Flow, at reset.Step) *flowOutput {
	return &flowOutput{flow{
		ID: f.ID, Step: steps[at.Page], Problem: string(at.Problem), Contact: f.Contactable(),
		ExpiresAt: f.ExpiresAt.UTC(), RetryAt: some(f.RetryAt), Support: authority(ctx).By.Correlation,
	}}
}

// stands tells everything that the page of the step shows.
func (a *API) stands(ctx context.Context, f reset.Flow) (*flowOutput, error) {
	v, err := a.d.Reset.View(ctx, f)
	if err != nil {
		return nil, err
	}
	out, words := begun(ctx, f, v.Step), i18n.For(f.Lang)
	b := &out.Body
	switch v.Step.Page {
	case reset.PageChoose, reset.PageVerify:
		b.Gate, b.Gates, b.Choices = v.Gate, v.Gates, []choice{}
		for _, c := range v.Choices {
			b.Choices = append(b.Choices, choiceOf(words, c))
		}
	case reset.PagePassword:
		for _, r := range v.Rules {
			b.Rules = append(b.Rules, said{r.Name, words.TMap("password.rule."+r.Name, r.Args)})
		}
		b.CanUnlock = v.CanUnlock
	}
	if v.Step.Page != reset.PageVerify {
		return out, nil
	}
	chosen := choiceOf(words, v.Chosen)
	b.Chosen, b.Number = &chosen, v.Number
	b.NeedsDestination = v.Challenge.NeedsDestination() || v.NeedsDestination
	for _, q := range v.Questions {
		b.Questions = append(b.Questions, q.Text(f.Lang))
	}
	if v.Options != "" {
		b.Passkey = json.RawMessage(v.Options)
	}
	return out, nil
}

func choiceOf(words *i18n.Printer, c reset.Choice) choice {
	out := choice{ID: c.ID, Kind: c.Kind, Name: c.Name, Masked: c.Masked, Digits: c.Digits, Usable: c.Usable}
	if c.Why != "" {
		out.Why = words.TMap(c.Why, c.Args)
	}
	return out
}
