package portal

import (
	"fmt"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

func securityInfoStories(base func(name, title string) page.Base) []story {
	at := time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)
	var rows []infoRow
	var offers []securityinfo.Offer
	var deleted []deletedRow
	for i, k := range method.Kinds() {
		m := method.Method{ID: "id" + string(k), Kind: k, Name: "<b>Dapur</b>", Value: "alain@example.net", Proved: true, CreatedAt: at, LastUsedAt: at, Default: i == 0}
		rows = append(rows, infoRow{securityinfo.Row{Method: m, CanBeDefault: i == 1}, i == 2})
		deleted = append(deleted, deletedRow{m, "3 Desember"})
		if _, ok := kindPages[k]; ok {
			offers = append(offers, securityinfo.Offer{Kind: k}, securityinfo.Offer{Kind: k, Full: true, Have: k.Limit()}, securityinfo.Offer{Kind: k, Full: true, Pending: true})
		}
	}
	for _, why := range []string{"disabled", "unproved", "policy", "used-up", "waiting", "address", "copied"} {
		rows = append(rows, infoRow{securityinfo.Row{Method: rows[0].Method, Why: why, Args: map[string]any{"count": 3}}, false})
	}
	list := func(name string, reset securityinfo.Reset) story {
		return story{"security-info " + name, "securityinfo_list", "/security-info", func() page.Page {
			return &infoPage{Base: base("security-info", "securityinfo.title"), Methods: rows, Deleted: deleted, Reset: reset, Org: "Contoso"}
		}}
	}
	all := []story{
		list("enough", securityinfo.Reset{Enough: true, Gates: 1}),
		list("waiting", securityinfo.Reset{From: at, Gates: 1}),
		list("off", securityinfo.Reset{Off: true, Gates: 1}),
		list("elsewhere", securityinfo.Reset{Elsewhere: true, Gates: 1}),
		list("one missing", securityinfo.Reset{Gates: 2, Missing: 1, Add: method.Kinds()}),
		list("two missing", securityinfo.Reset{Gates: 2, Missing: 2}),
		{"add", "securityinfo_add", "/security-info/add", func() page.Page {
			return &addPage{Base: base("security-info-add", "securityinfo.add.title"), Kinds: offers}
		}},
		{"add no passkeys", "securityinfo_add", "/security-info/add", func() page.Page {
			return &addPage{Base: base("security-info-add", "securityinfo.add.title"), NoPasskeys: "securityinfo.passkey.none." + challenge.AddressIsNumber}
		}},
		{"add no passkeys yet", "securityinfo_add", "/security-info/add", func() page.Page {
			return &addPage{Base: base("security-info-add", "securityinfo.add.title"), NoPasskeys: "securityinfo.passkey.none." + challenge.AddressIsInsecure}
		}},
		{"add from outside", "securityinfo_add", "/security-info/add", func() page.Page {
			return &addPage{Base: base("security-info-add", "securityinfo.add.title"), Outside: true, Org: "Contoso"}
		}},
		{"security-info from outside", "securityinfo_list", "/security-info", func() page.Page {
			return &infoPage{Base: base("security-info", "securityinfo.title"), Methods: rows, Outside: true, Org: "Contoso"}
		}},
		{"add nothing", "securityinfo_add", "/security-info/add", func() page.Page {
			return &addPage{Base: base("security-info-add", "securityinfo.add.title")}
		}},
	}
	for what := range doneNotices {
		all = append(all, story{"done " + what, "securityinfo_list", "/security-info?done=" + what, func() page.Page {
			b := base("security-info", "securityinfo.title")
			b.Notice = doneNotices[what]
			return &infoPage{Base: b, Org: "Contoso", Reset: securityinfo.Reset{Enough: true}}
		}})
	}
	for name, title := range map[string]string{"delete": "securityinfo.delete.title", "undo": "securityinfo.undo.title", "change": "securityinfo.change.title"} {
		for k := range kindPages {
			all = append(all, story{name + " " + string(k), "securityinfo_" + name, "/security-info/x/" + name, func() page.Page {
				return &methodPage{Base: base("security-info-"+name, title), Method: method.Method{ID: "x", Kind: k, Value: "a@b.example"},
					Loses: true, LastFactor: true, Until: "besok", CanReplace: true, Days: 7}
			}})
		}
		all = append(all, story{name + " kept", "securityinfo_" + name, "/security-info/x/" + name, func() page.Page {
			shown := &methodPage{Base: base("security-info-"+name, title), Method: method.Method{ID: "x", Kind: method.Email, Value: "a@b.example"}, Kept: true}
			shown.Refuse(problem.New(problem.AfterReset).After(time.Hour), "en")
			return shown
		}})
	}
	all = append(all, givenStories(base)...)
	for k := range kindPages {
		for _, state := range []string{"title", "verify.title", "shown.title"} {
			all = append(all, kindStories(k, state, base)...)
		}
	}
	return all
}

// kindStories are the states of one kind's page; a state that a kind does not
// have gives nothing.
func kindStories(k method.Kind, state string, base func(name, title string) page.Base) []story {
	form := addForm{
		Base: base("security-info-add", "securityinfo."+string(k)+"."+state), Kind: k, Called: "Dapur",
		Old: method.Method{ID: "y", Kind: k, Value: "old@example.net"},
	}
	if state == "verify.title" {
		form.MethodID = "x"
	}
	var template string
	var make func() page.Page
	switch {
	case k == method.Email && state != "shown.title":
		template, make = "securityinfo_email", func() page.Page {
			return &emailPage{addForm: form, Typed: "a@b.example", To: "a@b.example", Sent: true, Digits: 8, Minutes: 10}
		}
	case k == method.Passkey && state != "shown.title":
		template, make = "securityinfo_passkey", func() page.Page {
			return &passkeyPage{addForm: form, Passkey: page.Passkey{Options: "{}", Make: true}}
		}
	case k == method.AuthenticatorCode && state != "shown.title":
		template, make = "securityinfo_authenticator", func() page.Page {
			return &authenticatorPage{addForm: form, QR: QRCode{33, "M0 0h1v1h-1z"}, Secret: "ABCD EFGH", Link: "otpauth://totp/x", Issuer: "Contoso"}
		}
	case k == method.RecoveryCode && state != "verify.title":
		template, make = "securityinfo_recovery", func() page.Page {
			shown := &recoveryPage{addForm: form, Set: "z", Left: 3, Org: "Contoso", Made: "20 November"}
			if state == "shown.title" {
				shown.Codes = []string{"abcd-efgh"}
			}
			return shown
		}
	case k == method.AuthenticatorPush && state != "shown.title":
		shown := func(number string) story {
			return story{"add push " + state + number, "securityinfo_push", "/security-info/add?kind=" + string(k), func() page.Page {
				return &pushAddPage{addForm: form, Number: number, Push: page.PushKey{Key: "BK"}}
			}}
		}
		return []story{shown("42"), shown("")}
	case k == method.HardwareToken && state != "shown.title":
		template, make = "securityinfo_token", func() page.Page {
			return &tokenPage{addForm: form, Tokens: []method.Token{{ID: "t", Serial: "1001"}}, Token: "Contoso 1001", Digits: 8}
		}
	case k == method.SecurityQuestions && state == "title":
		template, make = "securityinfo_questions", func() page.Page {
			return &questionsPage{addForm: form, Set: "z", Offered: []questionLine{{"q01", "Why?"}}, Min: 3, Max: 40,
				Rows: []questionRow{{1, "question_1", "answer_1", "q01"}}}
		}
	case k.Class() == method.PhoneLine && state != "shown.title":
		var all []story
		for i, c := range []phonePage{
			{delivery: delivery{CanText: true}}, {delivery: delivery{CanCall: true, Sent: true, Channel: "call"}},
			{delivery: delivery{CanText: true, CanCall: true, Sent: true, Channel: "sms"}, Other: method.Kinds()},
			{delivery: delivery{Sent: true, Waiting: true}}, {delivery: delivery{Sent: true, Late: true}},
		} {
			c.addForm, c.Typed, c.To, c.Digits, c.Minutes = form, "0812", "+62 812", 8, 10
			all = append(all, story{fmt.Sprintf("add %s %s %d", k, state, i), "securityinfo_phone", "/security-info/add?kind=" + string(k), func() page.Page { return &c }})
		}
		return all
	default:
		return nil
	}
	return []story{{"add " + string(k) + " " + state, template, "/security-info/add?kind=" + string(k), make}}
}
