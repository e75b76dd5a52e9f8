package notify

import (
	"errors"
	"strings"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/wording"
)

// Preview is a message as it would leave, with made-up values.
type Preview struct {
	Subject, Text, HTML string
	// Segments is how a text message would be sent; zero for a mail.
	Segments wording.Segments
}

// ProductText is what the product says where an organization has no text of its
// own, as a text to begin from: it passes wording.Text.Check.
func ProductText(name, lang string) (wording.Text, error) {
	m, ok := wording.Find(name)
	if !ok {
		return wording.Text{}, errors.New("there is no message " + name)
	}
	// Sentences are asked for with the variables themselves as their arguments.
	var args []any
	for _, v := range m.Variables {
		name := v.Name
		if name == wording.Count {
			name = "open" // a count has to be a number there
		}
		args = append(args, name, "{{"+v.Name+"}}")
	}
	c := newComposer(lang, "")
	say := func(key string) string { return c.p.T(key, args...) }
	t := wording.Text{Message: name, Language: lang}
	if m.Phone {
		t.Text = strings.TrimSpace(strings.TrimSuffix(say("notify."+name), c.t("notify.sms.never")))
		return t, nil
	}
	t.Subject = say("notify." + name + ".subject")
	var parts []string
	for _, v := range m.Variables {
		if v.Name == wording.Code {
			parts = append(parts, "{{"+wording.Code+"}}")
		}
	}
	if name == "digest" {
		parts = append(parts, say("messages.digest.text"))
	} else {
		parts = append([]string{say("notify." + name + ".text")}, parts...)
	}
	for _, v := range m.Variables {
		switch v.Name {
		case wording.Undo, wording.Dispute:
			parts = append(parts, "{{"+v.Name+"}}")
		}
	}
	t.Text = strings.Join(parts, "\n\n")
	return t, nil
}

// Sample is a message of a name with made-up values, to be looked at or tested.
// Its links lead to a page of the product that does nothing.
func (s *Service) Sample(o *org.Organization, name string, now time.Time) (Body, Channel, error) {
	group, what, _ := strings.Cut(name, ".")
	domain := "example.com"
	if len(o.Domains) > 0 {
		domain = o.Domains[0]
	}
	f := circumstances{
		UserID: "alain@" + domain, IP: "192.0.2.7", SupportCode: "K3Y-TEST", At: now,
		Browser: "Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile",
	}
	help := s.public + "help"
	switch group {
	case "code", "sms":
		code := strings.Repeat("12345678", 2)[:max(6, min(12, o.Policy.Codes.Digits))]
		b := Code{Purpose: what, Code: code, Minutes: max(1, o.Policy.Codes.Minutes), UserID: f.UserID, IP: f.IP, Browser: f.Browser, SupportCode: f.SupportCode, At: f.At}
		if group == "sms" {
			return b, ByText, nil
		}
		return b, ByMail, nil
	case "password":
		return PasswordNotice{What: what, UserID: f.UserID, IP: f.IP, Browser: f.Browser, SupportCode: f.SupportCode, At: f.At, DisputeURL: help}, ByMail, nil
	case "method":
		b := MethodNotice{Action: what, Kind: "passkey", UserID: f.UserID, IP: f.IP, Browser: f.Browser, SupportCode: f.SupportCode, At: f.At, DisputeURL: help}
		if what == MethodDeleted {
			b.UndoURL = help
		}
		return b, ByMail, nil
	case KindRequest:
		return RequestNotice{UserID: f.UserID, Problem: "not-verified", IP: f.IP, Browser: f.Browser, SupportCode: f.SupportCode, At: f.At}, ByMail, nil
	case KindAnswer:
		return RequestAnswer{UserID: f.UserID, Text: "…", SupportCode: f.SupportCode, At: f.At}, ByMail, nil
	case KindDispute:
		return DisputeNotice(f), ByMail, nil
	case KindAdmin:
		return AdminNotice(f), ByMail, nil
	case KindDigest:
		return RequestDigest{Open: 3, Unassigned: 2, Oldest: now}, ByMail, nil
	case KindPhone:
		return PhoneNotice{Sent: 120, Passed: 9, Until: now}, ByMail, nil
	}
	return nil, "", errors.New("there is no message " + name)
}

// Preview writes a message in a language: with the text that is given, or, where
// there is none, as the organization has it. A text that is refused is a config.Faults.
func (s *Service) Preview(o *org.Organization, name, lang string, text *wording.Text, now time.Time) (Preview, error) {
	body, channel, err := s.Sample(o, name, now)
	if err != nil {
		return Preview{}, err
	}
	p := payload{Lang: lang, OrgName: o.Name, Color: o.Branding.Color, Zone: o.TimeZone, Own: ownText(Message{Org: o, Body: body, Channel: channel, Own: text}, lang)}
	if channel == ByText {
		code, _ := body.(Code)
		said := RenderPhone(ByText, lang, o.Name, s.host, code).Text
		if p.Own != nil {
			if said, err = newComposer(lang, o.Name).ownPhone(code, s.host, *p.Own); err != nil {
				return Preview{}, err
			}
		}
		return Preview{Text: said, Segments: wording.SegmentsOf(said)}, nil
	}
	m, err := s.renderOwn(p, body)
	if err != nil {
		return Preview{}, err
	}
	return Preview{Subject: m.Subject, Text: m.Text, HTML: m.HTML}, nil
}
