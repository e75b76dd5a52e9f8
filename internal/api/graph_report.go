package api

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// graphRegistration is Graph's userRegistrationDetails
// (learn.microsoft.com/graph/api/resources/userregistrationdetails).
type graphRegistration struct {
	Context      string    `json:"@odata.context,omitempty"`
	ID           string    `json:"id"`
	UserID       string    `json:"userPrincipalName"`
	Name         string    `json:"userDisplayName"`
	UserType     string    `json:"userType" doc:"Always member"`
	Admin        bool      `json:"isAdmin"`
	Registered   bool      `json:"isSsprRegistered" doc:"Their methods are enough"`
	Enabled      bool      `json:"isSsprEnabled" doc:"The policy and the directory let them reset"`
	Capable      bool      `json:"isSsprCapable" doc:"Both"`
	MFA          bool      `json:"isMfaRegistered" doc:"They have a method that proves a sign-in"`
	MFACapable   bool      `json:"isMfaCapable" doc:"One that the policy allows"`
	Passwordless bool      `json:"isPasswordlessCapable" doc:"They have a passkey that the policy allows"`
	Methods      []string  `json:"methodsRegistered"`
	Default      string    `json:"defaultMfaMethod" doc:"What a sign-in offers first, or none"`
	Preferred    string    `json:"userPreferredMethodForSecondaryAuthentication" enum:"push,oath,sms,voiceOffice,none" doc:"The same as a way of answering; none for a passkey too, for which Graph has no word there"`
	At           time.Time `json:"lastUpdatedDateTime" doc:"Now: nothing is kept back"`
}

// graphNames are Graph's names of kinds. A recovery code is none of Graph's.
var graphNames = map[method.Kind]string{
	method.Passkey:             "fido2",
	method.AuthenticatorCode:   "softwareOneTimePasscode",
	method.AuthenticatorPush:   "microsoftAuthenticatorPush",
	method.HardwareToken:       "hardwareOneTimePasscode",
	method.RecoveryCode:        "recoveryCode",
	method.Email:               "email",
	method.MobilePhone:         "mobilePhone",
	method.OfficePhone:         "officePhone",
	method.SecurityQuestions:   "securityQuestion",
	method.TemporaryAccessPass: "temporaryAccessPass",
}

// graphWays are Graph's names of how a second factor is answered.
var graphWays = map[method.Kind]string{
	method.AuthenticatorPush: "push",
	method.AuthenticatorCode: "oath",
	method.HardwareToken:     "oath",
	method.MobilePhone:       "sms",
	method.OfficePhone:       "voiceOffice",
}

type graphReportInput struct {
	OrgPath
	Filter string `query:"$filter" maxLength:"500" doc:"Comparisons joined by and: isSsprRegistered eq true (and the other booleans), userPrincipalName eq '…', methodsRegistered/any(m:m eq '…')"`
	Top    int    `query:"$top" minimum:"1" maximum:"200" default:"100"`
	Skip   string `query:"$skiptoken" maxLength:"2000" doc:"Of @odata.nextLink"`
}

type graphReportOutput struct {
	Body struct {
		Context string              `json:"@odata.context"`
		Next    string              `json:"@odata.nextLink,omitempty" doc:"The next page; a page may be short, or empty, and still have one"`
		Value   []graphRegistration `json:"value"`
	}
}

type graphRegistrationOutput struct{ Body graphRegistration }

const graphReport = "reports/authenticationMethods/userRegistrationDetails"

func (a *API) graphReportOperations() {
	graphRegister(a, http.MethodGet, "/"+graphReport, "graph-list-registration-details", "Who could reset, person by person", admin.SeePeople, a.graphList)
	graphRegister(a, http.MethodGet, "/"+graphReport+"/{id}", "graph-get-registration-details", "Whether one person could reset", admin.SeePeople, a.graphOne)
}

func (a *API) graphOne(ctx context.Context, in *GraphUser) (*graphRegistrationOutput, error) {
	p, err := a.graphPerson(ctx, *in)
	if err != nil {
		return nil, err
	}
	r := a.registrationOf(organization(ctx), p.Listed(organization(ctx)))
	r.Context = a.graphContext(ctx, graphReport+"/$entity")
	return &graphRegistrationOutput{r}, nil
}

func (a *API) graphList(ctx context.Context, in *graphReportInput) (*graphReportOutput, error) {
	o := organization(ctx)
	filter, err := readGraphFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	after, err := a.position(ctx, graphReport, in.Skip)
	if wrong, ok := problem.As(err); ok {
		return nil, wrong.On("$skiptoken")
	}
	q := admin.Query{Prefix: filter.userID, After: after, Limit: in.Top}
	if in.Filter != "" {
		q.Match = func(l admin.Listed) bool { return filter.matches(a.registrationOf(o, l)) }
	}
	list, err := a.d.Admin.People(ctx, authority(ctx), o, q)
	if err != nil {
		return nil, err
	}
	if list.Exact && filter.userID == "" {
		return nil, &GraphError{status: http.StatusNotImplemented, Failure: graphFailure{
			"notSupported", "This directory cannot be listed. Ask for one person: $filter=userPrincipalName eq '…'.", graphInner{"not-listed", "$filter"},
		}}
	}
	out := &graphReportOutput{}
	out.Body.Context, out.Body.Value = a.graphContext(ctx, graphReport), []graphRegistration{}
	for _, l := range list.People {
		out.Body.Value = append(out.Body.Value, a.registrationOf(o, l))
	}
	if list.Next != "" {
		cursor, err := a.cursor(ctx, graphReport, list.Next)
		if err != nil {
			return nil, err
		}
		next := url.Values{"$top": {strconv.Itoa(in.Top)}, "$skiptoken": {cursor}}
		if in.Filter != "" {
			next.Set("$filter", in.Filter)
		}
		out.Body.Next = a.graphURL(ctx, graphReport) + "?" + next.Encode()
	}
	return out, nil
}

func (a *API) registrationOf(o *org.Organization, l admin.Listed) graphRegistration {
	r := graphRegistration{
		ID: l.Entry.Key, UserID: l.Entry.UserID, Name: l.Entry.DisplayName, UserType: "member", Admin: l.Role != "",
		Registered: l.Registered, Enabled: l.Enabled, Capable: l.Enabled && l.Registered, Methods: []string{}, At: a.d.DB.Now().UTC(),
		Default: "none", Preferred: "none",
	}
	if name := graphNames[l.Default]; name != "" {
		r.Default = name
	}
	if way := graphWays[l.Default]; way != "" {
		r.Preferred = way
	}
	for _, k := range l.Kinds {
		r.Methods = append(r.Methods, graphNames[k])
		if k == method.TemporaryAccessPass || !k.ProvesSignIn() {
			continue
		}
		r.MFA = true
		r.MFACapable = r.MFACapable || o.Offers(k)
		r.Passwordless = r.Passwordless || k == method.Passkey && o.Offers(k)
	}
	return r
}

// graphFilter is the part of OData's $filter that is understood.
type graphFilter struct {
	userID  string
	flags   map[string]bool
	methods []string
}

var (
	graphFlag   = regexp.MustCompile(`^(is[A-Za-z]+) eq (true|false)$`)
	graphUserID = regexp.MustCompile(`^userPrincipalName eq '((?:[^']|'')*)'$`)
	graphAny    = regexp.MustCompile(`^methodsRegistered/any\(([a-z]+): ?([a-z]+) eq '([A-Za-z0-9]+)'\)$`)
)

// graphFlags are the properties that can be compared with true and false.
var graphFlags = map[string]func(graphRegistration) bool{
	"isAdmin":               func(r graphRegistration) bool { return r.Admin },
	"isSsprRegistered":      func(r graphRegistration) bool { return r.Registered },
	"isSsprEnabled":         func(r graphRegistration) bool { return r.Enabled },
	"isSsprCapable":         func(r graphRegistration) bool { return r.Capable },
	"isMfaRegistered":       func(r graphRegistration) bool { return r.MFA },
	"isMfaCapable":          func(r graphRegistration) bool { return r.MFACapable },
	"isPasswordlessCapable": func(r graphRegistration) bool { return r.Passwordless },
}

// readGraphFilter refuses what it does not understand: a filter that is passed
// over would give a script people it did not ask for.
func readGraphFilter(text string) (graphFilter, error) {
	f := graphFilter{flags: make(map[string]bool)}
	if strings.TrimSpace(text) == "" {
		return f, nil
	}
	for _, part := range strings.Split(text, " and ") {
		part = strings.TrimSpace(part)
		if m := graphFlag.FindStringSubmatch(part); m != nil && graphFlags[m[1]] != nil {
			if before, twice := f.flags[m[1]]; twice && before != (m[2] == "true") {
				return f, problem.New(problem.BadInput).On("$filter")
			}
			f.flags[m[1]] = m[2] == "true"
			continue
		}
		if m := graphUserID.FindStringSubmatch(part); m != nil && f.userID == "" && m[1] != "" {
			f.userID = strings.ReplaceAll(m[1], "''", "'")
			continue
		}
		if m := graphAny.FindStringSubmatch(part); m != nil && m[1] == m[2] {
			f.methods = append(f.methods, m[3])
			continue
		}
		return f, problem.New(problem.BadInput).On("$filter")
	}
	return f, nil
}

func (f graphFilter) matches(r graphRegistration) bool {
	if f.userID != "" && !strings.EqualFold(f.userID, r.UserID) {
		return false
	}
	for name, want := range f.flags {
		if graphFlags[name](r) != want {
			return false
		}
	}
	for _, name := range f.methods {
		if !slices.Contains(r.Methods, name) {
			return false
		}
	}
	return true
}
