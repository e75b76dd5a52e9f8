package portal

import (
	"net/http"
	"net/url"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

// kindPage is how one kind is asked for and proved: the extension point of the
// pages (see room securityinfo's doc.go).
type kindPage struct {
	// begins tells whether a posted form starts a registration, or only chose the
	// kind, whose own form is then shown.
	begins func(v visitor, form page.Form) bool
	// show gives the page and its template: the form that begins where nothing is
	// pending, what has to be proved where something is, and what was issued
	// where there are codes to show.
	show func(p *Portal, r *http.Request, s adding) (template string, shown page.Page, base *page.Base, err error)
}

// kindPages is the table of kinds that have a page.
var kindPages = map[method.Kind]kindPage{
	method.Passkey:           {kindAlone, showPasskey},
	method.Email:             {emailBegins, showEmail},
	method.AuthenticatorCode: {kindAlone, showAuthenticator},
	method.RecoveryCode:      {recoveryBegins, showRecovery},
	method.MobilePhone:       {phoneBegins, showPhone},
	method.OfficePhone:       {phoneBegins, showPhone},
	method.AuthenticatorPush: {kindAlone, showPush},
	method.HardwareToken:     {kindAlone, showToken},
	method.SecurityQuestions: {questionsBegin, showQuestions},
}

func kindAlone(visitor, page.Form) bool { return true }

// adding is the state of a registration, for its page.
type adding struct {
	v       visitor
	kind    method.Kind
	pending *securityinfo.Pending // nil: nothing is begun
	codes   []string              // issued just now
	typed   page.Form             // of a form that was refused
	old     method.Method         // what the new one takes the place of; empty: nothing
}

// addForm is what every kind's page has.
type addForm struct {
	page.Base
	Kind     method.Kind
	MethodID string // pending
	Old      method.Method
	// Called is the name as typed.
	Called string
}

func (s adding) form(title string) addForm {
	f := addForm{
		Base: s.v.base("security-info-add", "securityinfo."+string(s.kind)+"."+title, addPath),
		Kind: s.kind, Old: s.old, Called: s.typed["name"],
	}
	f.About = string(s.kind)
	if s.pending != nil {
		f.MethodID = s.pending.Method.ID
		if f.Called == "" {
			f.Called = s.pending.Method.Name
		}
	}
	return f
}

// addPage is the list of kinds.
type addPage struct {
	page.Base
	Kinds []securityinfo.Offer
	// Outside tells that nothing can be registered from where the person is.
	Outside bool
	Org     string
	// NoPasskeys is why there are none, where the organization would allow them.
	NoPasskeys string
}

func (p *Portal) addPage(r *http.Request, v visitor) (*addPage, error) {
	view, err := p.SecurityInfo.View(r.Context(), v.who())
	if err != nil {
		return nil, err
	}
	shown := &addPage{Base: v.base("security-info-add", "securityinfo.add.title", infoPath), Outside: view.Outside, Org: v.Org.Name}
	if view.Outside {
		return shown, nil
	}
	for _, o := range view.Kinds {
		if _, ok := kindPages[o.Kind]; ok {
			shown.Kinds = append(shown.Kinds, o)
		}
	}
	if _, why := challenge.RelyingParty(p.PublicURL); why != "" && v.Org.Policy.Allows(method.Passkey) {
		shown.NoPasskeys = "securityinfo.passkey.none." + why
	}
	return shown, nil
}

// offeredKind gives what can be said of a kind that this person may register.
func offeredKind(view securityinfo.View, k method.Kind) (securityinfo.Offer, bool) {
	for _, o := range view.Kinds {
		if _, ok := kindPages[k]; ok && o.Kind == k {
			return o, true
		}
	}
	return securityinfo.Offer{}, false
}

func (p *Portal) getAdd(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	return p.person(w, r, addNext(query.Get("kind"), query.Get("replaces")), func(v visitor) error {
		k, chosen := method.ParseKind(r.URL.Query().Get("kind"))
		if err := p.SecurityInfo.Fresh(r.Context(), v.who(), k); err != nil {
			return err
		}
		view, err := p.SecurityInfo.View(r.Context(), v.who())
		if err != nil {
			return err
		}
		offer, ok := offeredKind(view, k)
		if view.Outside || !chosen || !ok || offer.Full && !offer.Pending && r.URL.Query().Get("replaces") == "" {
			shown, err := p.addPage(r, v)
			if err != nil {
				return err
			}
			return p.Pages.Write(w, r, http.StatusOK, "securityinfo_add", shown)
		}
		s, err := p.adding(r, v, k, r.URL.Query().Get("replaces"))
		if err != nil {
			return err
		}
		return p.showAdding(w, r, http.StatusOK, s, nil)
	})
}

// adding reads the state of a registration. replaces is what a form that is not
// begun yet would take the place of.
func (p *Portal) adding(r *http.Request, v visitor, k method.Kind, replaces string) (adding, error) {
	s := adding{v: v, kind: k, typed: page.Form{}}
	pending, ok, err := p.SecurityInfo.Pending(r.Context(), v.who(), k)
	if err != nil {
		return s, err
	}
	if ok {
		s.pending, replaces = &pending, pending.Method.Replaces
	}
	for _, m := range v.Methods {
		if m.ID == replaces && m.Proved && m.Kind == k {
			s.old = m
		}
	}
	return s, nil
}

// showAdding writes the page of a registration, with a refusal where there is one.
func (p *Portal) showAdding(w http.ResponseWriter, r *http.Request, status int, s adding, refusal *problem.Error) error {
	template, shown, base, err := kindPages[s.kind].show(p, r, s)
	if err != nil {
		return err
	}
	if refusal != nil {
		return p.refuseProof(w, r, template, shown, base, refusal, s.kind)
	}
	return p.Pages.Write(w, r, status, template, shown)
}

func (p *Portal) postAdd(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	return p.person(w, r, addNext(form["kind"], form["replaces"]), func(v visitor) error {
		k, err := p.kindOf(r, v, form)
		if err != nil {
			return err
		}
		if _, ok := kindPages[k]; !ok {
			return p.noKind(w, r, v, form["kind"])
		}
		switch _, answered := form[securityinfo.AnswerField(k)]; {
		case form["action"] == "cancel":
			if err := p.SecurityInfo.Cancel(r.Context(), v.who(), k); err != nil {
				return err
			}
			return page.See(w, r, kindPath(k, form["replaces"]))
		case form["action"] == "resend":
			reply, err := p.SecurityInfo.ResendBy(r.Context(), v.by, v.who(), k, page.Lang(r), securityinfo.Form(form))
			if err != nil || reply.Refused != nil {
				return p.refuseAdding(w, r, v, k, form, reply, err)
			}
			return page.See(w, r, kindPath(k, ""))
		case answered && !securityinfo.Issued(k):
			return p.confirm(w, r, v, k, form)
		}
		return p.begin(w, r, v, k, form["replaces"], form)
	})
}

// kindOf is the kind a form is about: the one it names, else the one that waits
// for its proof.
func (p *Portal) kindOf(r *http.Request, v visitor, form page.Form) (method.Kind, error) {
	if name, ok := form["kind"]; ok {
		k, _ := method.ParseKind(name)
		return k, nil
	}
	pending, _, err := p.SecurityInfo.Pending(r.Context(), v.who(), "")
	return pending.Method.Kind, err
}

func (p *Portal) noKind(w http.ResponseWriter, r *http.Request, v visitor, named string) error {
	shown, err := p.addPage(r, v)
	if err != nil {
		return err
	}
	code := problem.MethodKind
	if named == "" {
		code = problem.Required
	}
	return p.refuse(w, r, "securityinfo_add", shown, &shown.Base, problem.New(code))
}

func kindPath(k method.Kind, replaces string) string {
	query := url.Values{"kind": {string(k)}}
	if replaces != "" {
		query.Set("replaces", replaces)
	}
	return addPath + "?" + query.Encode()
}

// begin starts a registration, or shows the kind's form where one was only chosen.
func (p *Portal) begin(w http.ResponseWriter, r *http.Request, v visitor, k method.Kind, replaces string, form page.Form) error {
	if _, ok := kindPages[k]; !ok {
		return problem.New(problem.MethodKind)
	}
	if !kindPages[k].begins(v, form) {
		if err := p.SecurityInfo.Fresh(r.Context(), v.who(), k); err != nil {
			return err
		}
		view, err := p.SecurityInfo.View(r.Context(), v.who())
		if err != nil {
			return err
		}
		if _, ok := offeredKind(view, k); !ok {
			return p.noKind(w, r, v, string(k))
		}
		return page.See(w, r, kindPath(k, replaces))
	}
	reply, err := p.SecurityInfo.Begin(r.Context(), v.by, v.who(), securityinfo.Begin{
		Kind: k, Replaces: replaces, Form: securityinfo.Form(form), Lang: page.Lang(r), Device: p.cookie(r, deviceCookie),
	})
	if err != nil || reply.Refused != nil {
		return p.refuseAdding(w, r, v, k, form, reply, err)
	}
	p.keepSession(w, reply.Token)
	if err := p.keepDevice(w, r, reply.Device); err != nil {
		return err
	}
	if len(reply.Codes) > 0 {
		return p.showAdding(w, r, http.StatusOK, adding{v: v, kind: k, codes: reply.Codes, typed: page.Form{}}, nil)
	}
	if securityinfo.Issued(k) {
		return seeDone(w, r, "added")
	}
	return page.See(w, r, kindPath(k, ""))
}

func (p *Portal) confirm(w http.ResponseWriter, r *http.Request, v visitor, k method.Kind, form page.Form) error {
	answer := form[securityinfo.AnswerField(k)]
	if answer == "" {
		return p.refuseAdding(w, r, v, k, form, securityinfo.Reply{}, problem.New(problem.Required).On(securityinfo.AnswerField(k)))
	}
	reply, err := p.SecurityInfo.Confirm(r.Context(), v.by, v.who(), securityinfo.Confirm{
		Kind: k, MethodID: form["method"], Answer: answer, Name: form["name"], Device: p.cookie(r, deviceCookie),
	})
	if err != nil || reply.Refused != nil {
		return p.refuseAdding(w, r, v, k, form, reply, err)
	}
	p.keepSession(w, reply.Token)
	if said := form["subscription"]; said != "" && k == method.AuthenticatorPush {
		// The device counts without notifications too.
		if err := p.SecurityInfo.Subscribe(r.Context(), v.by, p.cookie(r, deviceCookie), said); err != nil {
			p.Log.Warn("a device was not subscribed", "correlation", page.Correlation(r), "error", err)
		}
	}
	if reply.EndedCodes {
		return seeDone(w, r, "added-codes")
	}
	if reply.Method.Replaces != "" {
		return seeDone(w, r, "changed")
	}
	return seeDone(w, r, "added")
}

// refuseAdding shows the kind's page with what was refused and what was typed.
func (p *Portal) refuseAdding(w http.ResponseWriter, r *http.Request, v visitor, k method.Kind, form page.Form, reply securityinfo.Reply, err error) error {
	refusal := reply.Refused
	if err != nil {
		var ok bool
		if refusal, ok = refusalOf(err); !ok {
			return err
		}
	}
	if refusal.Code == problem.MethodKind {
		return p.noKind(w, r, v, string(k))
	}
	s, err := p.adding(r, v, k, form["replaces"])
	if err != nil {
		return err
	}
	s.typed = form
	if refusal.Field == "" && s.pending != nil {
		refusal = refusal.On(securityinfo.AnswerField(k))
	}
	return p.showAdding(w, r, http.StatusUnprocessableEntity, s, refusal)
}
