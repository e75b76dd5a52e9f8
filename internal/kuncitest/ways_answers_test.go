package kuncitest_test

import (
	"encoding/base32"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// own is the code of a form, for kinds that are typed.
func (h *held) own(code string) url.Values {
	return url.Values{"method": {h.id}, "action": {"verify"}, "code": {code}}
}

func giveApp(t *testing.T, p *kuncitest.Product, h *held) {
	h.seed = seedOf(h.userID)
	h.add(t, p, method.Method{Secret: h.seed})
}

func shownByApp(_ *testing.T, a asked) url.Values {
	o := method.OATH{Algorithm: method.SHA1, Digits: 6, Period: 30}
	return a.h.own(o.Code(a.h.seed, o.Step(a.p.Clock.Now())))
}

func halfMinute(p *kuncitest.Product, _ *held) bool {
	p.Clock.Advance(time.Minute)
	return true
}

// guessed is a code of the right form that is not the right one.
func guessed(t *testing.T, a asked, n int) url.Values {
	right := a.h.way.right(t, a).Get("code")
	wrong := []byte(right)
	wrong[0] = '0' + (wrong[0]-'0'+byte(1+n%9))%10
	wrong[1] = '0' + (wrong[1]-'0'+byte(1+n/9))%10
	return a.h.own(string(wrong))
}

func giveToken(counter bool) func(t *testing.T, p *kuncitest.Product, h *held) {
	return func(t *testing.T, p *kuncitest.Product, h *held) {
		t.Helper()
		kind, interval := "", "60"
		if counter {
			kind, interval = "hotp", ""
		}
		row := fmt.Sprintf("upn,serial number,secret key,time interval,manufacturer,model,type,digits,algorithm\n%s,%s,%s,%s,Contoso,HardwareKey,%s,8,SHA256\n",
			h.userID, h.userID, base32.StdEncoding.EncodeToString(seedOf(h.userID)), interval, kind)
		report, err := p.App.ImportTokens(t.Context(), "contoso", strings.NewReader(row), false)
		if err != nil || report.Assigned != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		err = p.App.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
			h.token, err = p.App.Methods.TokenBySerial(t.Context(), tx, p.Organization().ID, h.userID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.App.ActivateToken(t.Context(), find(t, p, h.userID), h.userID, []string{h.codeAt(p)}); err != nil {
			t.Fatal(err)
		}
		pressed(p, h)
		h.id = chosen(t, p, h.userID, method.HardwareToken)
	}
}

// codeAt is what the token shows: at the counter's place, or at the time.
func (h *held) codeAt(p *kuncitest.Product) string {
	step := h.step
	if !h.token.OATH.Counter {
		step = h.token.OATH.Step(p.Clock.Now())
	}
	return h.token.OATH.Code(h.token.Seed, step)
}

func shownByToken(_ *testing.T, a asked) url.Values { return a.h.own(a.h.codeAt(a.p)) }

func pressed(p *kuncitest.Product, h *held) bool {
	h.step++
	p.Clock.Advance(2 * time.Minute)
	return true
}

// papers are two sets of recovery codes, made once: each takes ten slow hashes.
var papers struct {
	sync.Mutex
	made map[int]paper
}

type paper struct {
	codes []string
	set   []byte
}

func givePaper(t *testing.T, p *kuncitest.Product, h *held) {
	t.Helper()
	papers.Lock()
	defer papers.Unlock()
	which := h.index % 2 // whoever comes after another has the other one
	if _, ok := papers.made[which]; !ok {
		codes, set, err := p.App.Methods.NewRecoverySet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if papers.made == nil {
			papers.made = make(map[int]paper)
		}
		papers.made[which] = paper{codes, set}
	}
	h.codes = slices.Clone(papers.made[which].codes)
	h.add(t, p, method.Method{Secret: slices.Clone(papers.made[which].set)})
}

func onPaper(_ *testing.T, a asked) url.Values { return a.h.own(a.h.codes[0]) }

func misread(_ *testing.T, a asked, n int) url.Values {
	code := []byte(a.h.codes[0])
	for i := range 2 {
		code[i] = "0123456789"[(strings.IndexByte("0123456789abcdefghjkmnpqrstvwxyz", code[i])+1+n)%10]
	}
	if string(code) == a.h.codes[0] {
		code[0] = 'z'
	}
	return a.h.own(string(code))
}

func crossedOut(_ *kuncitest.Product, h *held) bool {
	h.codes = h.codes[1:]
	return true
}

func givePass(t *testing.T, p *kuncitest.Product, h *held) {
	pass := issue(t, p, h.userID, time.Time{})
	h.id, h.codes = pass.ID, []string{pass.Code}
}

func givePasskey(_ *testing.T, p *kuncitest.Product, h *held) {
	h.device = p.Device()
	h.id = p.GivePasskey(h.userID, h.device).ID
}

// signedBy is what a device signs for the page, at its own address or at another.
func signedBy(origin string) func(t *testing.T, a asked) url.Values {
	return func(_ *testing.T, a asked) url.Values {
		device := a.h.device
		if origin != "" {
			device = device.At(origin)
		}
		return a.h.own(device.Use(a.page.PasskeyOptions()))
	}
}

func givePush(t *testing.T, p *kuncitest.Product, h *held) {
	t.Helper()
	h.phone = signedIn(t, p, h.userID, "")
	addDevice(t, h.phone.Browser, "Ponsel")
	h.id = h.phone.ofKind(method.AuthenticatorPush).ID
}

// typedOnDevice is the number of the page, typed on the person's own device.
func typedOnDevice(t *testing.T, a asked) url.Values {
	t.Helper()
	return url.Values{"request": {requestOn(t, a.h.phone.Get("/push"))}, "action": {"approve"}, "code": {number(a.page)}}
}

func mistyped(t *testing.T, a asked, n int) url.Values {
	form := typedOnDevice(t, a)
	form.Set("code", fmt.Sprint(10+(n+7)%80))
	if form.Get("code") == number(a.page) {
		form.Set("code", "99")
	}
	return form
}

// pause is longer than a request waits, and than the next has to.
func pause(p *kuncitest.Product, _ *held) bool {
	p.Clock.Advance(121 * time.Second)
	return true
}

func giveMailbox(t *testing.T, p *kuncitest.Product, h *held) {
	t.Helper()
	h.number = h.userID[:strings.IndexByte(h.userID, '@')] + "@example.net"
	h.add(t, p, method.Method{Value: h.number})
}

func givePhone(start, extension string) func(t *testing.T, p *kuncitest.Product, h *held) {
	return func(t *testing.T, p *kuncitest.Product, h *held) {
		t.Helper()
		h.number = start + fmt.Sprint(100+h.index)
		h.add(t, p, method.Method{Value: h.number + extension})
	}
}

// arrived is the code of the last message to the person.
func arrived(t *testing.T, a asked) url.Values {
	t.Helper()
	return a.h.own(a.code)
}

// lastCode waits for a message to an address or number that is not among those seen.
func lastCode(t *testing.T, p *kuncitest.Product, h *held, seen int) string {
	t.Helper()
	if h.way.kind == method.Email {
		for n := seen + 1; ; n++ {
			for _, m := range p.Mail.Wait(t, n)[seen:] {
				if code := codeOfMail.FindString(m.Parse(t).Text); m.To == h.number && code != "" {
					return code
				}
			}
		}
	}
	for n := seen + 1; ; n++ {
		for _, s := range p.Texts(t, n)[seen:] {
			if s.To == h.number {
				if (s.Path == "/call") != (h.way.channel != "sms") {
					t.Errorf("%s got it by %s", h.way.name, s.Path)
				}
				return s.Code
			}
		}
	}
}

var codeOfMail = regexp.MustCompile(`\b\d{8}\b`)

// seen is how many messages there are.
func (h *held) seen(p *kuncitest.Product) int {
	switch h.way.kind {
	case method.Email:
		return len(p.Mail.Mails())
	case method.MobilePhone, method.OfficePhone:
		return len(p.Phones.Asks())
	}
	return 0
}

func giveQuestions(t *testing.T, p *kuncitest.Product, h *held) {
	t.Helper()
	var all []method.Answered
	for _, q := range []string{"q03", "q10", "q23"} {
		all = append(all, method.Answered{Question: method.Question{ID: q}, Answer: h.answer(q)})
	}
	set, err := p.App.Methods.NewQuestionSet(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	h.add(t, p, method.Method{Secret: set})
}

func (h *held) answer(question string) string { return "jawaban " + question + " dari " + h.userID }

// remembered answers every question of the page; with one of them replaced where
// instead is not empty.
func remembered(instead string) func(t *testing.T, a asked) url.Values {
	return func(t *testing.T, a asked) url.Values {
		t.Helper()
		form := url.Values{"method": {a.h.id}, "action": {"verify"}}
		for field, text := range labelsOf(a.page) {
			for _, q := range []string{"q03", "q10", "q23"} {
				if text == i18n.For("id").T("question."+q) {
					form.Set(field, a.h.answer(q))
				}
			}
		}
		if instead != "" {
			form.Set("answer_2", instead)
		}
		return form
	}
}
