package notify_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/wording"
)

// keeper keeps what is sent.
type keeper struct {
	mu  sync.Mutex
	all []notify.Mail
}

func (k *keeper) Send(_ context.Context, m notify.Mail) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, m)
	return nil
}

func (k *keeper) mails() []notify.Mail {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all
}

func (k *keeper) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = nil
}

func written(texts ...wording.Text) *org.Organization {
	o := *contoso
	o.Support.Email, o.Domains, o.Messages = "helpdesk@contoso.example", []string{"contoso.com"}, texts
	o.Policy.Codes = org.CodePolicy{Digits: 8, Minutes: 10}
	return &o
}

// The product's own texts are where people begin to write: each is one that may be saved.
func TestTheProductsTextsMayBeSaved(t *testing.T) {
	for _, m := range wording.Messages() {
		for _, lang := range i18n.Languages() {
			text, err := notify.ProductText(m.Name, lang)
			if err != nil {
				t.Fatal(err)
			}
			if faults := text.Check(); len(faults) > 0 {
				t.Errorf("%s %s: %v\n%s", m.Name, lang, faults, text.Text)
			}
			if m.Phone && strings.Contains(text.Text, i18n.For(lang).T("notify.sms.never")) {
				t.Errorf("%s %s would say twice that nobody asks: %s", m.Name, lang, text.Text)
			}
		}
	}
}

// Whatever an organization writes: who asked and from where, that nobody asks for
// a code, the code, the buttons and the footer are there.
func TestAnOwnTextKeepsWhatKeepsPeopleSafe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db, &keeper{})
		for _, m := range wording.Messages() {
			for _, lang := range i18n.Languages() {
				text := wording.Text{Message: m.Name, Language: lang, Subject: "Kata {{org}}", Text: "Kata kami."}
				if m.Phone {
					text.Subject, text.Text = "", "{{code}} {{org}}"
				}
				for _, v := range m.Variables {
					if v.Required && v.Alone {
						text.Text += "\n\n{{" + v.Name + "}}"
					}
				}
				usual, err := r.Preview(written(), m.Name, lang, nil, noon)
				if err != nil {
					t.Fatal(err)
				}
				own, err := r.Preview(written(text), m.Name, lang, nil, noon)
				if err != nil {
					t.Fatal(err)
				}
				if m.Phone {
					if !strings.HasPrefix(own.Text, "12345678 Contoso ") || !strings.Contains(own.Text, i18n.For(lang).T("notify.sms.never")) || !strings.HasSuffix(own.Text, "\n@kunci.test #12345678") || own.Segments.Parts != 1 {
						t.Errorf("%s %s: %q %+v", m.Name, lang, own.Text, own.Segments)
					}
					continue
				}
				flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
				if own.Subject != "Kata Contoso" || !strings.Contains(own.Text, "Kata kami.") || !strings.Contains(own.HTML, "Kata kami.") {
					t.Errorf("%s %s: the text is not there:\n%s", m.Name, lang, own.Text)
				}
				for _, key := range []string{"notify.code.never", "notify.dispute.explain", "notify.dispute.button", "notify.method.undo.button", "notify.fact.place", "notify.request.unverified", "notify.answer.never", "notify.admin.advice", "notify.dispute.advice", "notify.phone.advice", "notify.footer", "notify." + m.Name + ".notyou", "notify." + m.Name + ".only"} {
					kept := i18n.For(lang).T(key, "org", "Contoso")
					if strings.Contains(flat(usual.Text), flat(kept)) && !strings.Contains(flat(own.Text), flat(kept)) {
						t.Errorf("%s %s loses %s:\n%s", m.Name, lang, key, own.Text)
					}
				}
				for _, kept := range []string{"12345678", "https://kunci.test/help", "192.0.2.7", "K3Y-TEST"} {
					if strings.Count(usual.Text, kept) != strings.Count(own.Text, kept) || strings.Count(usual.HTML, kept) != strings.Count(own.HTML, kept) {
						t.Errorf("%s %s has %q another number of times:\n%s", m.Name, lang, kept, own.Text)
					}
				}
			}
		}
	})
}

func TestAnOwnTextIsEscaped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db, &keeper{})
		text := wording.Text{Message: "code.reset", Language: "en", Subject: "<b>{{org}}</b>", Text: "<img src=x onerror=alert(1)> {{user_id}}\n\n{{code}}"}
		got, err := r.Preview(written(text), "code.reset", "en", nil, noon)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got.HTML, "<img") || strings.Contains(got.HTML, "<b>") || !strings.Contains(got.HTML, "&lt;img") {
			t.Error(got.HTML)
		}
		if _, err := r.Preview(written(), "code.reset", "en", &wording.Text{Message: "code.reset", Language: "en", Subject: "abc", Text: "no code"}, noon); err == nil {
			t.Error("a text without its code was written")
		}
	})
}

// What is sent has the organization's text; a text that this version refuses is
// not a message that is not sent.
func TestAnOwnTextLeavesAndABrokenOneDoesNotStopTheMail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sender := &keeper{}
		r := newRoom(t, db, sender)
		r.start(t)
		good := wording.Text{Message: "code.reset", Language: "id", Subject: "Kode dari {{org}}", Text: "Halo {{user_id}}, ini kodenya:\n\n{{code}}\n\nTanya: {{support_email}}"}
		broken := wording.Text{Message: "code.reset", Language: "en", Subject: "Hello {{gone}}", Text: "Nothing here"}
		for lang, want := range map[string]string{"id": "Halo alain@contoso.com, ini kodenya:", "en": "Somebody is resetting the password"} {
			sender.reset()
			id := r.queue(t, notify.Message{Org: written(good, broken), To: "a@example.net", Lang: lang, Body: codeBody(notify.PurposeReset)})
			r.await(t, id, notify.Sent)
			sent := sender.mails()
			if len(sent) != 1 || !strings.Contains(sent[0].Text, want) || !strings.Contains(sent[0].Text, "48151623") || strings.Contains(sent[0].Subject, "48151623") {
				t.Errorf("%s: %+v", lang, sent)
			}
			if lang == "id" && (sent[0].Subject != "Kode dari Contoso" || !strings.Contains(sent[0].Text, "Tanya: helpdesk@contoso.example")) {
				t.Errorf("%q\n%s", sent[0].Subject, sent[0].Text)
			}
		}
		if !strings.Contains(r.logs.String(), "own text cannot be used") {
			t.Error("nobody is told that the text cannot be used")
		}
	})
}
