package portal

import (
	"fmt"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

// givenStories are the pages about what the organization entered.
func givenStories(base func(name, title string) page.Base) []story {
	of := func(k method.Kind, value string) method.Method {
		return method.Method{ID: "id" + string(k), Kind: k, Value: value, Proved: true, ProvedBy: method.ByAdministrator}
	}
	phone, mail := of(method.MobilePhone, "+6281234567842"), of(method.Email, "alain@example.net")
	all := []story{
		{"security-info given", "securityinfo_list", "/security-info", func() page.Page {
			return &infoPage{Base: base("security-info", "securityinfo.title"), Org: "Contoso", Given: 2, Reset: securityinfo.Reset{Enough: true, Gates: 1}, Methods: []infoRow{
				{securityinfo.Row{Method: mail, Given: true, CanConfirm: true}, false}, {securityinfo.Row{Method: phone, Given: true}, false},
			}}
		}},
		{"delete given", "securityinfo_delete", "/security-info/x/delete", func() page.Page {
			return &methodPage{Base: base("security-info-delete", "given.decline.title"), Method: mail, Given: true, Days: 7}
		}},
	}
	for i, d := range []delivery{
		{}, {CanText: true}, {CanCall: true}, {CanText: true, CanCall: true}, {Sent: true}, {Sent: true, Channel: "sms", CanText: true, CanCall: true},
		{Sent: true, Waiting: true}, {Sent: true, Late: true},
	} {
		for _, m := range []method.Method{mail, phone, of(method.OfficePhone, "+62215550100x12")} {
			d.To = m.Masked()
			all = append(all, story{fmt.Sprint("given ", m.Kind, i), "securityinfo_given", "/security-info/x/confirm", func() page.Page {
				shown := &givenPage{Base: base("security-info-confirm", "given.title"), delivery: d, Method: m, Org: "Contoso", Digits: 8, Minutes: 10}
				if d.Late {
					shown.Refuse(problem.New(problem.CodeWrong).On("code"), "id")
				}
				return shown
			}})
		}
	}
	return all
}
