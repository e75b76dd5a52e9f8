package org

import (
	"testing"

	"kunci.dev/kunci/internal/method"
)

// A preset's own list names phones and needs no countries; whoever writes one
// that names a phone has to say where texts may go.
func TestCountriesOfPhones(t *testing.T) {
	for _, preset := range []string{PresetKunci, PresetEntra, PresetNIST, PresetASVS} {
		if faults := faultsOf(t, small+"policy:\n  preset: "+preset+"\n"); len(faults) > 0 {
			t.Errorf("the preset %s alone: %v", preset, faults)
		}
	}
	for lines, key := range map[string]string{
		"reset: {methods: [email, mobile_phone]}":                                 "policy.phone.countries",
		"reset: {methods: [email, office_phone]}":                                 "policy.phone.countries",
		"reset: {methods: [email]}":                                               "",
		"reset: {methods: [email, mobile_phone]}\n  phone: {countries: [ID]}":     "",
		"phone: {countries: [ID, ID]}":                                            "policy.phone.countries[1]",
		"phone: {countries: [ZZ]}":                                                "policy.phone.countries[0]",
		"phone: {countries: [id]}":                                                "policy.phone.countries[0]",
		"reset: {methods: [email, mobile_phone]}\n  phone: {countries: []}":       "policy.phone.countries",
		"reset: {methods: [email, mobile_phone]}\n  phone: {countries: [ID, SG]}": "",
	} {
		faults := faultsOf(t, small+"policy:\n  "+lines+"\n")
		if key == "" && len(faults) > 0 || key != "" && (len(faults) != 1 || faults[0].Key != key) {
			t.Errorf("%s: %v, want %q", lines, faults, key)
		}
	}
}

// A phone is offered where there is a gateway for it and a country to send to.
func TestOffers(t *testing.T) {
	id := []string{"ID"}
	for _, c := range []struct {
		has                   Channels
		countries             []string
		mobile, office, email bool
	}{
		{Channels{}, id, false, false, true},
		{Channels{Text: true}, id, true, false, true},
		{Channels{Call: true}, id, true, true, true},
		{Channels{Text: true, Call: true}, id, true, true, true},
		{Channels{Text: true, Call: true}, nil, false, false, true},
	} {
		o := &Organization{Channels: c.has, Policy: Policy{Phone: PhonePolicy{Countries: c.countries}}}
		if o.Offers(method.MobilePhone) != c.mobile || o.Offers(method.OfficePhone) != c.office || o.Offers(method.Email) != c.email {
			t.Errorf("%+v", c)
		}
	}
}
