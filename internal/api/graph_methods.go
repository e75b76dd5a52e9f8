package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// Identifiers that Graph gives to what a person has one of
// (learn.microsoft.com/graph/api/resources/phoneauthenticationmethod and others).
const (
	graphMobile    = "3179e48a-750b-4051-897c-87b9720928f7"
	graphAlternate = "b6332ec1-7057-4abe-9331-3d72feddfe41"
	graphOffice    = "e37fc753-ff3b-4958-9484-eaa9425c82bc"
	graphMail      = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f"
	graphPassword  = "28c10230-6103-485e-b985-444c60001490" //nolint:gosec // the identifier of a type, the same everywhere
)

// graphPhoneIDs are the identifiers of the types of phones.
var graphPhoneIDs = map[string]string{"mobile": graphMobile, "alternateMobile": graphAlternate, "office": graphOffice}

type graphPhone struct {
	Context string `json:"@odata.context,omitempty"`
	ID      string `json:"id"`
	Number  string `json:"phoneNumber" doc:"With a space after the country's code; masked for who may not see it whole"`
	Type    string `json:"phoneType" enum:"mobile,alternateMobile,office"`
	SMS     string `json:"smsSignInState" doc:"Always notSupported: nobody signs in by text alone"`

	own string // identifier of the method here
}

type graphEmail struct {
	Context string `json:"@odata.context,omitempty"`
	ID      string `json:"id"`
	Address string `json:"emailAddress" doc:"Masked for who may not see it whole"`

	own string
}

// graphMethod is any method that Graph has a name for.
type graphMethod struct {
	Type    string     `json:"@odata.type"`
	ID      string     `json:"id"`
	Number  string     `json:"phoneNumber,omitempty"`
	Phone   string     `json:"phoneType,omitempty"`
	Address string     `json:"emailAddress,omitempty"`
	Name    string     `json:"displayName,omitempty"`
	Created *time.Time `json:"createdDateTime,omitempty"`
}

// GraphPhoneType is what POST and PATCH take of a phone.
type GraphPhoneType struct {
	Number string `json:"phoneNumber" minLength:"1" maxLength:"64"`
	Type   string `json:"phoneType,omitempty" enum:"mobile,alternateMobile,office"`
}

// GraphTarget names one method of a person.
type GraphTarget struct {
	GraphUser
	Method string `path:"method" maxLength:"40"`
}

type graphPhoneInput struct {
	GraphUser
	Body GraphPhoneType
}

type graphPhoneChange struct {
	GraphTarget
	Body GraphPhoneType
}

// GraphAddress is what POST and PATCH take of a mailbox.
type GraphAddress struct {
	Address string `json:"emailAddress" minLength:"1" maxLength:"254"`
}

type graphEmailInput struct {
	GraphUser
	Body GraphAddress
}

type graphEmailChange struct {
	GraphTarget
	Body GraphAddress
}

type (
	graphPhoneOutput  struct{ Body graphPhone }
	graphEmailOutput  struct{ Body graphEmail }
	graphPhonesOutput struct {
		Body struct {
			Context string       `json:"@odata.context"`
			Value   []graphPhone `json:"value"`
		}
	}
	graphEmailsOutput struct {
		Body struct {
			Context string       `json:"@odata.context"`
			Value   []graphEmail `json:"value"`
		}
	}
	graphMethodsOutput struct {
		Body struct {
			Context string        `json:"@odata.context"`
			Value   []graphMethod `json:"value"`
		}
	}
)

func (a *API) graphMethodOperations() {
	const phones, mails = "/users/{id}/authentication/phoneMethods", "/users/{id}/authentication/emailMethods"
	graphRegister(a, http.MethodGet, "/users/{id}/authentication/methods", "graph-list-methods", "Methods that Graph has a name for", admin.SeePeople, a.graphMethods)
	graphRegister(a, http.MethodGet, phones, "graph-list-phone-methods", "Phones of a person", admin.SeePeople, a.graphPhones)
	graphRegister(a, http.MethodPost, phones, "graph-create-phone-method", "Register a phone for a person", admin.ManageMethods, a.graphAddPhone)
	graphRegister(a, http.MethodGet, phones+"/{method}", "graph-get-phone-method", "A phone of a person", admin.SeePeople, a.graphPhone)
	graphRegister(a, http.MethodPatch, phones+"/{method}", "graph-update-phone-method", "Give a phone another number", admin.ManageMethods, a.graphChangePhone)
	graphRegister(a, http.MethodDelete, phones+"/{method}", "graph-delete-phone-method", "Delete a phone of a person", admin.ManageMethods, a.graphDeletePhone)
	graphRegister(a, http.MethodGet, mails, "graph-list-email-methods", "Mailboxes of a person", admin.SeePeople, a.graphEmails)
	graphRegister(a, http.MethodPost, mails, "graph-create-email-method", "Register a mailbox for a person", admin.ManageMethods, a.graphAddEmail)
	graphRegister(a, http.MethodGet, mails+"/{method}", "graph-get-email-method", "A mailbox of a person", admin.SeePeople, a.graphEmail)
	graphRegister(a, http.MethodPatch, mails+"/{method}", "graph-update-email-method", "Give a mailbox another address", admin.ManageMethods, a.graphChangeEmail)
	graphRegister(a, http.MethodDelete, mails+"/{method}", "graph-delete-email-method", "Delete a mailbox of a person", admin.ManageMethods, a.graphDeleteEmail)
}

// phonesOf names the phones of a person as Graph does: the older mobile phone is
// mobile, the other one alternateMobile.
func phonesOf(contacts []admin.Method) []graphPhone {
	all, mobile := []graphPhone{}, false
	for _, m := range contacts {
		switch {
		case m.Kind == method.OfficePhone:
			all = append(all, graphPhoneOf(m, "office"))
		case m.Kind == method.MobilePhone && !mobile:
			all, mobile = append(all, graphPhoneOf(m, "mobile")), true
		case m.Kind == method.MobilePhone:
			all = append(all, graphPhoneOf(m, "alternateMobile"))
		}
	}
	return all
}

func graphPhoneOf(m admin.Method, phoneType string) graphPhone {
	one := graphPhone{ID: graphPhoneIDs[phoneType], Number: m.Masked, Type: phoneType, SMS: "notSupported", own: m.ID}
	if m.Value != "" {
		one.Number = method.SpacedPhone(m.Value)
	}
	return one
}

// emailsOf names the mailboxes of a person: the oldest has Graph's one identifier,
// and others, of which Graph knows none, their own.
func emailsOf(contacts []admin.Method) []graphEmail {
	all := []graphEmail{}
	for _, m := range contacts {
		if m.Kind != method.Email {
			continue
		}
		one := graphEmail{ID: m.ID, Address: m.Masked, own: m.ID}
		if len(all) == 0 {
			one.ID = graphMail
		}
		if m.Value != "" {
			one.Address = m.Value
		}
		all = append(all, one)
	}
	return all
}

// masked are the contacts of a person without asking for their values.
func masked(p admin.Person, kinds ...method.Kind) (all []admin.Method) {
	for _, m := range p.Methods {
		if slices.Contains(kinds, m.Kind) && m.Proved {
			all = append(all, m)
		}
	}
	return all
}

func (a *API) graphPhones(ctx context.Context, in *GraphUser) (*graphPhonesOutput, error) {
	p, err := a.graphPerson(ctx, *in)
	if err != nil {
		return nil, err
	}
	contacts, err := a.d.Admin.Contacts(ctx, authority(ctx), organization(ctx), p, method.MobilePhone, method.OfficePhone)
	out := &graphPhonesOutput{}
	out.Body.Context = a.graphContext(ctx, "users('"+p.Account.Entry.Key+"')/authentication/phoneMethods")
	out.Body.Value = phonesOf(contacts)
	return out, err
}

func (a *API) graphEmails(ctx context.Context, in *GraphUser) (*graphEmailsOutput, error) {
	p, err := a.graphPerson(ctx, *in)
	if err != nil {
		return nil, err
	}
	contacts, err := a.d.Admin.Contacts(ctx, authority(ctx), organization(ctx), p, method.Email)
	out := &graphEmailsOutput{}
	out.Body.Context = a.graphContext(ctx, "users('"+p.Account.Entry.Key+"')/authentication/emailMethods")
	out.Body.Value = emailsOf(contacts)
	return out, err
}

func (a *API) graphPhone(ctx context.Context, in *GraphTarget) (*graphPhoneOutput, error) {
	all, err := a.graphPhones(ctx, &in.GraphUser)
	if err != nil {
		return nil, err
	}
	for _, one := range all.Body.Value {
		if one.ID == in.Method {
			one.Context = all.Body.Context + "/$entity"
			return &graphPhoneOutput{one}, nil
		}
	}
	return nil, problem.New(problem.NotFound)
}

func (a *API) graphEmail(ctx context.Context, in *GraphTarget) (*graphEmailOutput, error) {
	all, err := a.graphEmails(ctx, &in.GraphUser)
	if err != nil {
		return nil, err
	}
	for _, one := range all.Body.Value {
		if one.ID == in.Method {
			one.Context = all.Body.Context + "/$entity"
			return &graphEmailOutput{one}, nil
		}
	}
	return nil, problem.New(problem.NotFound)
}

func (a *API) graphAddPhone(ctx context.Context, in *graphPhoneInput) (*graphPhoneOutput, error) {
	id, ok := graphPhoneIDs[in.Body.Type]
	if !ok {
		return nil, problem.New(problem.Required).On("phoneType")
	}
	p, err := a.graphPerson(ctx, in.GraphUser)
	if err != nil {
		return nil, err
	}
	mobile := false
	for _, one := range phonesOf(masked(p, method.MobilePhone, method.OfficePhone)) {
		if one.ID == id {
			return nil, problem.New(problem.MethodLimit, "limit", 1).On("phoneType")
		}
		mobile = mobile || one.ID == graphMobile
	}
	kind := method.MobilePhone
	switch {
	case id == graphOffice:
		kind = method.OfficePhone
	case id == graphAlternate && !mobile:
		return nil, problem.New(problem.BadInput).On("phoneType") // a mobile one comes first
	}
	added, err := a.d.Admin.AddMethod(ctx, authority(ctx), organization(ctx), p, kind, in.Body.Number)
	if err != nil {
		return nil, err
	}
	one := graphPhoneOf(admin.Method{Method: added}, in.Body.Type)
	one.Context = a.graphContext(ctx, "users('"+p.Account.Entry.Key+"')/authentication/phoneMethods/$entity")
	return &graphPhoneOutput{one}, nil
}

func (a *API) graphAddEmail(ctx context.Context, in *graphEmailInput) (*graphEmailOutput, error) {
	p, err := a.graphPerson(ctx, in.GraphUser)
	if err != nil {
		return nil, err
	}
	if len(masked(p, method.Email)) > 0 {
		return nil, problem.New(problem.MethodLimit, "limit", 1).On("emailAddress")
	}
	added, err := a.d.Admin.AddMethod(ctx, authority(ctx), organization(ctx), p, method.Email, in.Body.Address)
	if err != nil {
		return nil, err
	}
	one := emailsOf([]admin.Method{{Method: added}})[0]
	one.Context = a.graphContext(ctx, "users('"+p.Account.Entry.Key+"')/authentication/emailMethods/$entity")
	return &graphEmailOutput{one}, nil
}

// graphOwn finds a person's method by the identifier that Graph would give it.
func (a *API) graphOwn(ctx context.Context, in GraphTarget, kinds ...method.Kind) (p admin.Person, own, phoneType string, err error) {
	if p, err = a.graphPerson(ctx, in.GraphUser); err != nil {
		return p, "", "", err
	}
	found := masked(p, kinds...)
	for _, one := range phonesOf(found) {
		if one.ID == in.Method {
			return p, one.own, one.Type, nil
		}
	}
	for _, one := range emailsOf(found) {
		if one.ID == in.Method {
			return p, one.own, "", nil
		}
	}
	return p, "", "", problem.New(problem.NotFound)
}

func (a *API) graphChangePhone(ctx context.Context, in *graphPhoneChange) (*struct{}, error) {
	p, own, phoneType, err := a.graphOwn(ctx, in.GraphTarget, method.MobilePhone, method.OfficePhone)
	if err != nil {
		return nil, err
	}
	if in.Body.Type != "" && in.Body.Type != phoneType {
		return nil, problem.New(problem.BadInput).On("phoneType") // a type is not changed
	}
	_, err = a.d.Admin.ChangeMethod(ctx, authority(ctx), organization(ctx), p, own, in.Body.Number)
	return nil, err
}

func (a *API) graphChangeEmail(ctx context.Context, in *graphEmailChange) (*struct{}, error) {
	p, own, _, err := a.graphOwn(ctx, in.GraphTarget, method.Email)
	if err != nil {
		return nil, err
	}
	_, err = a.d.Admin.ChangeMethod(ctx, authority(ctx), organization(ctx), p, own, in.Body.Address)
	return nil, err
}

func (a *API) graphDeletePhone(ctx context.Context, in *GraphTarget) (*struct{}, error) {
	return a.graphDelete(ctx, *in, method.MobilePhone, method.OfficePhone)
}

func (a *API) graphDeleteEmail(ctx context.Context, in *GraphTarget) (*struct{}, error) {
	return a.graphDelete(ctx, *in, method.Email)
}

func (a *API) graphDelete(ctx context.Context, in GraphTarget, kinds ...method.Kind) (*struct{}, error) {
	p, own, _, err := a.graphOwn(ctx, in, kinds...)
	if err != nil {
		return nil, err
	}
	return nil, a.d.Admin.DeleteMethod(ctx, authority(ctx), organization(ctx), p, own)
}

// graphTypes are Graph's names of kinds that have no value of their own there.
var graphTypes = map[method.Kind]string{
	method.Passkey:             "fido2AuthenticationMethod",
	method.AuthenticatorCode:   "softwareOathAuthenticationMethod",
	method.AuthenticatorPush:   "microsoftAuthenticatorAuthenticationMethod",
	method.HardwareToken:       "hardwareOathAuthenticationMethod",
	method.TemporaryAccessPass: "temporaryAccessPassAuthenticationMethod",
}

func (a *API) graphMethods(ctx context.Context, in *GraphUser) (*graphMethodsOutput, error) {
	p, err := a.graphPerson(ctx, *in)
	if err != nil {
		return nil, err
	}
	contacts, err := a.d.Admin.Contacts(ctx, authority(ctx), organization(ctx), p, method.MobilePhone, method.OfficePhone, method.Email)
	if err != nil {
		return nil, err
	}
	const of = "#microsoft.graph."
	all := []graphMethod{{Type: of + "passwordAuthenticationMethod", ID: graphPassword}}
	for _, one := range phonesOf(contacts) {
		all = append(all, graphMethod{Type: of + "phoneAuthenticationMethod", ID: one.ID, Number: one.Number, Phone: one.Type})
	}
	for _, one := range emailsOf(contacts) {
		all = append(all, graphMethod{Type: of + "emailAuthenticationMethod", ID: one.ID, Address: one.Address})
	}
	for _, m := range p.Methods {
		if name := graphTypes[m.Kind]; name != "" && m.Proved {
			all = append(all, graphMethod{Type: of + name, ID: m.ID, Name: m.Name, Created: some(m.CreatedAt)})
		}
	}
	out := &graphMethodsOutput{}
	out.Body.Context = a.graphContext(ctx, "users('"+p.Account.Entry.Key+"')/authentication/methods")
	out.Body.Value = all
	return out, nil
}
