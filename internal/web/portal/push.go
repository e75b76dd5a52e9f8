package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

const (
	pushPath = "/push"
	// deviceCookie holds the tokens by which a browser is known as a device.
	deviceCookie = "kunci-device"
	// deviceLife is as long as browsers keep a cookie; each visit renews it.
	deviceLife = 400 * 24 * time.Hour
)

func (p *Portal) pushRoutes() []Route {
	return []Route{{"GET " + pushPath, p.getPush}, {"POST " + pushPath, p.postPush}}
}

// keepDevice gives the browser a token more.
func (p *Portal) keepDevice(w http.ResponseWriter, r *http.Request, token string) error {
	if token == "" {
		return nil
	}
	kept, err := p.SecurityInfo.KeepDevice(r.Context(), p.cookie(r, deviceCookie), token)
	if err == nil {
		p.setCookie(w, deviceCookie, kept, deviceLife)
	}
	return err
}

// pushWait is what a page shows while a request waits on a device
// (part_push_wait.html). Only there the number is shown.
type pushWait struct {
	Number   string
	Answered bool
	Address  string // where the device answers it
}

func (p *Portal) pushWait(k method.Kind, number string, answered bool) pushWait {
	if k != method.AuthenticatorPush {
		return pushWait{}
	}
	return pushWait{number, answered, p.PublicURL + pushPath}
}

// pushPage is the page of a device: the requests that wait there.
type pushPage struct {
	page.Base
	Devices    []string
	Requests   []pushLine
	State      string // changes with the requests
	Subscribed bool
	Push       page.PushKey
}

// pushLine is a request as it is shown: everything but its number.
type pushLine struct {
	ID, UserID, Org, Browser, Place string
	Purpose                         challenge.Purpose
	At                              time.Time
}

var pushNotices = map[string]string{
	"approved": "push.done", "denied": "push.denied", "subscribed": "push.notify.on", "unsubscribed": "push.notify.off",
}

func (p *Portal) pushPage(r *http.Request, d securityinfo.Device) *pushPage {
	shown := &pushPage{Base: page.Base{Name: "push-approve", Title: "push.title", Brand: page.BrandOf(p.onlyOrg(r.Context())), App: true}}
	for _, m := range d.Methods {
		name := m.Name
		if name == "" {
			name = printerOf(r).T("kind.authenticator_push")
		}
		shown.Devices = append(shown.Devices, name)
		shown.Subscribed = shown.Subscribed || m.Subscribed()
	}
	var ids []string
	for _, c := range d.Requests {
		shown.Requests = append(shown.Requests, pushLine{
			ID: c.ID, UserID: c.UserID, Org: c.Org.Name, Purpose: c.Purpose, At: c.SentAt,
			Browser: notify.BrowserName(page.Lang(r), c.Browser), Place: p.Place(page.Lang(r), c.IP),
		})
		ids = append(ids, c.ID)
	}
	sum := sha256.Sum256([]byte(strings.Join(ids, " ")))
	shown.State, shown.Push = hex.EncodeToString(sum[:6]), page.PushKey{Key: p.PushKey, Send: true}
	return shown
}

func (p *Portal) getPush(w http.ResponseWriter, r *http.Request) error {
	tokens := p.cookie(r, deviceCookie)
	d, err := p.SecurityInfo.Device(r.Context(), tokens)
	if err != nil {
		return err
	}
	if len(d.Methods) > 0 {
		p.setCookie(w, deviceCookie, tokens, deviceLife)
	}
	shown := p.pushPage(r, d)
	shown.Notice = pushNotices[r.URL.Query().Get("done")]
	return p.Pages.Write(w, r, http.StatusOK, "push", shown)
}

func (p *Portal) postPush(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	tokens, by, done := p.cookie(r, deviceCookie), page.Actor(r), ""
	var refusal *problem.Error
	says := ""
	switch form["action"] {
	case "subscribe", "unsubscribe":
		done = form["action"] + "d"
		said := form["subscription"]
		if done == "subscribed" && said == "" {
			err = problem.New(problem.Required)
			break
		}
		if done == "unsubscribed" {
			said = ""
		}
		err = p.SecurityInfo.Subscribe(r.Context(), by, tokens, said)
	case "deny":
		done, err = "denied", p.Reset.DenyDevice(r.Context(), by, tokens, form["request"])
	default:
		done = "approved"
		refusal, says, err = p.answerDevice(r, tokens, form)
	}
	if err != nil {
		var ok bool
		if refusal, ok = problem.As(err); !ok || refusal.Code.Status() >= http.StatusInternalServerError {
			return err
		}
		if refusal.Code == problem.NotFound {
			refusal = problem.New(problem.CodeExpired)
		}
	}
	if refusal == nil {
		return page.See(w, r, pushPath+"?done="+done)
	}
	d, err := p.SecurityInfo.Device(r.Context(), tokens)
	if err != nil {
		return err
	}
	shown := p.pushPage(r, d)
	shown.Refuse(refusal.On("code"), page.Lang(r))
	if says == "" {
		says = proofSays(method.AuthenticatorPush, refusal.Code)
	}
	if says != "" {
		shown.Alert.Text = printerOf(r).T(says)
	}
	return p.refused(w, r, "push", shown, refusal)
}

// answerDevice takes the number to the room whose request it is. says is a
// sentence that fits better than the refusal's own.
func (p *Portal) answerDevice(r *http.Request, tokens string, form page.Form) (refusal *problem.Error, says string, err error) {
	d, err := p.SecurityInfo.Device(r.Context(), tokens)
	if err != nil {
		return nil, "", err
	}
	var purpose challenge.Purpose
	for _, c := range d.Requests {
		if c.ID == form["request"] {
			purpose = c.Purpose
		}
	}
	var code problem.Code
	var wait time.Duration
	var left int
	switch {
	case purpose == "":
		return problem.New(problem.CodeExpired), "", nil
	case form["code"] == "":
		return problem.New(problem.Required), "", nil
	case purpose == challenge.Reset:
		reply, err := p.Reset.AnswerDevice(r.Context(), page.Actor(r), tokens, form["request"], form["code"])
		if err != nil {
			return nil, "", err
		}
		code, wait, left = reply.Code, reply.RetryAfter, reply.Left
	default:
		reply, err := p.SignIn.AnswerDevice(r.Context(), page.Actor(r), tokens, form["request"], form["code"])
		if err != nil {
			return nil, "", err
		}
		code, wait, left = reply.Code, reply.RetryAfter, reply.Left
	}
	if code == "" {
		return nil, "", nil
	}
	if code == problem.CodeWrong && left == 0 {
		says = "push.wrong.ended"
	}
	return problem.New(code).After(wait), says, nil
}
