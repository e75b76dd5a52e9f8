package securityinfo

import (
	"context"
	"strings"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
)

// phone is a telephone, proved by a code that is texted or called there.
func phone(k method.Kind) registrar {
	return registrar{draft: func(_ context.Context, _ *Service, f facts, form Form) (Draft, error) {
		if strings.TrimSpace(form["phone"]) == "" {
			return Draft{}, problem.New(problem.Required).On("phone")
		}
		countries := f.org.Policy.Phone.Countries
		number, err := method.ParsePhone(k, form["phone"], method.PhoneRegion(countries, f.org.Language))
		if err == nil && !method.PhoneAllowed(number, countries) {
			err = problem.New(problem.PhoneCountry).On("phone")
		}
		return Draft{Method: method.Method{Value: number}}, err
	}}
}

// channel is how a code is to reach a mobile phone; empty: as before, or by text.
func (f Form) channel() notify.Channel {
	switch c := notify.Channel(f["channel"]); c {
	case notify.ByText, notify.ByCall:
		return c
	}
	return ""
}

// Alternatives are the kinds that do not rest on a telephone line and that the
// person could register instead: whoever registers a phone is told of them
// (SP 800-63B-4, 3.1.3.3).
func (v View) Alternatives() []method.Kind {
	var all []method.Kind
	for _, o := range v.Kinds {
		if o.Kind.Class() != method.PhoneLine && !o.Full {
			all = append(all, o.Kind)
		}
	}
	return all
}
