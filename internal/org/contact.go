package org

import "kunci.dev/kunci/internal/method"

// Contact gives the form in which an address or number that the organization knows
// of somebody is registered, whether a file or the directory says it. Refusals are
// those of method.ValidateEmail and method.ParsePhone.
func (o *Organization) Contact(k method.Kind, typed string) (string, error) {
	if k == method.Email {
		return method.ValidateEmail(typed, o.Domains)
	}
	// Without a country that the policy names, nobody can know which one is meant.
	return method.ParsePhone(k, typed, method.PhoneRegion(o.Policy.Phone.Countries, ""))
}

// Reaches gives the form of what a directory says, if somebody can be reached by it:
// it is an address outside the organization, or a number of a country that is called.
func (o *Organization) Reaches(k method.Kind, said string) (string, bool) {
	value, err := o.Contact(k, said)
	return value, err == nil && (k == method.Email || method.PhoneAllowed(value, o.Policy.Phone.Countries))
}
