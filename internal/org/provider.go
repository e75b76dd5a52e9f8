package org

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kunci.dev/kunci/internal/config"
)

// What a provider's sign-in counts for beside the password.
const (
	AskFactor = "ask"       // Kunci asks for its own second factor all the same
	TrustAMR  = "trust_amr" // a sign-in with several factors there needs none here
)

// IdentityProvider is where an organization's people can sign in instead of
// typing their password here (OpenID Connect). Empty: there is none.
type IdentityProvider struct {
	Name   string `json:"name,omitzero"` // on the button: Sign in with NAME
	Issuer string `json:"issuer,omitzero"`
	// ClientID and the secret are what the provider knows this installation by. The
	// nodes read the file when they need it; the secret is stored nowhere else.
	ClientID         string   `json:"client_id,omitzero"`
	ClientSecretFile string   `json:"client_secret_file,omitzero"`
	CAFile           string   `json:"ca_file,omitzero"`
	Scopes           []string `json:"scopes,omitzero"`
	// UserIDClaim is the claim that holds the user ID.
	UserIDClaim  string `json:"user_id_claim,omitzero"`
	SecondFactor string `json:"second_factor,omitzero"`
	// SecondFactorACR are values of the claim acr that say "with several factors",
	// beside those that everybody knows.
	SecondFactorACR []string `json:"second_factor_acr,omitzero"`
	// AllowedNetworks are networks that are not public and may be reached all the same.
	AllowedNetworks []string `json:"allowed_networks,omitzero"`
}

// On tells whether there is a provider.
func (p IdentityProvider) On() bool { return p.Issuer != "" }

// Claim is the claim that holds the user ID.
func (p IdentityProvider) Claim() string {
	if p.UserIDClaim == "" {
		return "preferred_username"
	}
	return p.UserIDClaim
}

// Scope is what the provider is asked for.
func (p IdentityProvider) Scope() []string {
	if len(p.Scopes) == 0 {
		return []string{"openid", "profile", "email"}
	}
	if slices.Contains(p.Scopes, "openid") {
		return p.Scopes
	}
	return append([]string{"openid"}, p.Scopes...)
}

// Trusted tells whether several factors there are enough here.
func (p IdentityProvider) Trusted() bool { return p.SecondFactor == TrustAMR }

// Networks are the networks that may be reached although they are not public.
func (p IdentityProvider) Networks() []netip.Prefix { return networks(p.AllowedNetworks) }

// networks reads the networks of a key allowed_networks, which was checked.
func networks(texts []string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		if n, err := netip.ParsePrefix(text); err == nil {
			all = append(all, n.Masked())
		}
	}
	return all
}

// AcceptableProviderURL tells whether an address is one that a provider's answers
// may come from: https, or a program on this machine.
func AcceptableProviderURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && config.Loopback(u.Hostname()))
}

var (
	claimForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:/-]{0,119}$`)
	scopeForm = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]{1,200}$`) // RFC 6749, 3.3
)

func (c *checker) provider(p *IdentityProvider) {
	const key = "identity_provider."
	if !p.On() {
		if !reflect.ValueOf(*p).IsZero() {
			c.refuse(key+"issuer", "expected the provider's address, such as https://login.contoso.com")
		}
		return
	}
	if u, err := url.Parse(p.Issuer); err != nil || !AcceptableProviderURL(p.Issuer) || u.RawQuery != "" || len(p.Issuer) > 500 {
		c.refuse(key+"issuer", "expected the provider's address exactly as its own description says it, such as https://login.contoso.com")
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(p.Name)); n < 1 || n > 60 || strings.ContainsFunc(p.Name, notPrintable) {
		c.refuse(key+"name", "expected the name that people know the provider by, at most 60 characters; the button says: Sign in with NAME")
	}
	if p.ClientID == "" || len(p.ClientID) > 255 || strings.ContainsFunc(p.ClientID, notPrintable) {
		c.refuse(key+"client_id", "expected the name under which the provider knows this installation")
	}
	for name, path := range map[string]string{"client_secret_file": p.ClientSecretFile, "ca_file": p.CAFile} {
		if path != "" && !filepath.IsAbs(path) {
			c.refuse(key+name, "expected the name of a file; from the program it has to begin at the root, such as /etc/kunci/provider-secret")
		}
	}
	if p.ClientSecretFile == "" {
		c.refuse(key+"client_secret_file", "expected the file that holds the client's secret, readable by Kunci alone")
	}
	for i, scope := range p.Scopes {
		if !scopeForm.MatchString(scope) || scope == "offline_access" {
			c.refuse(fmt.Sprintf("%sscopes[%d]", key, i), "expected a scope like profile or email; offline_access is not needed, for nothing is kept")
		}
	}
	if p.UserIDClaim != "" && !claimForm.MatchString(p.UserIDClaim) {
		c.refuse(key+"user_id_claim", "expected the claim that holds the user ID, such as preferred_username, email or upn")
	}
	if p.SecondFactor != "" {
		c.oneOf(key+"second_factor", p.SecondFactor, AskFactor, TrustAMR)
	}
	if len(p.SecondFactorACR) > 0 && !p.Trusted() {
		c.refuse(key+"second_factor_acr", "these values count only with second_factor: trust_amr")
	}
	for i, value := range p.SecondFactorACR {
		if value == "" || len(value) > 200 || strings.ContainsAny(value, " \t\r\n") {
			c.refuse(fmt.Sprintf("%ssecond_factor_acr[%d]", key, i), "expected a value of the claim acr, without spaces")
		}
	}
	c.networks(key, p.AllowedNetworks)
}

func (c *checker) networks(area string, texts []string) {
	for i, text := range texts {
		if _, err := netip.ParsePrefix(text); err != nil {
			c.refuse(fmt.Sprintf("%sallowed_networks[%d]", area, i), "expected a network like 10.0.0.0/8")
		}
	}
}

// locate makes the files absolute, as a directory's are.
func (p *IdentityProvider) locate(folder string) []Problem {
	return locate(folder, "identity_provider", map[string]*string{"client_secret_file": &p.ClientSecretFile, "ca_file": &p.CAFile})
}

// locate makes the files that a document names absolute: they are looked for in
// the document's folder. A file that is not there is refused here, where somebody
// reads it; the nodes read the files when they need them.
func locate(folder, area string, files map[string]*string) []Problem {
	var wrong []Problem
	for key, path := range files {
		full := *path
		if full == "" {
			continue
		}
		if !filepath.IsAbs(full) {
			full = filepath.Join(folder, full)
		}
		absolute, err := filepath.Abs(full)
		if err == nil {
			*path = absolute
			_, err = os.Stat(absolute)
		}
		if err != nil {
			wrong = append(wrong, Problem{Key: area + "." + key, Text: fmt.Sprintf("there is no file %s", full)})
		}
	}
	return wrong
}
