package org

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
)

// Directory kinds.
const (
	Embedded = "embedded"
	LDAP     = "ldap"
)

// Dialects of the kind ldap.
const (
	OpenLDAP        = "openldap"
	DS389           = "389ds"
	FreeIPA         = "freeipa"
	ActiveDirectory = "active_directory"
)

// UserIDPlace stands in a user filter for what the person typed, escaped.
const UserIDPlace = "{user_id}"

// DNPlace stands in a group filter for the name of the entry that a group holds.
const DNPlace = "{dn}"

// DirectoryConfig says where accounts and passwords live. All keys but Kind
// belong to the kind ldap; what is empty there takes the dialect's default.
type DirectoryConfig struct {
	Kind    string `json:"kind"`
	Dialect string `json:"dialect,omitzero"`
	// URLs are the servers, the preferred one first.
	URLs     []string `json:"urls,omitzero"`
	StartTLS bool     `json:"start_tls,omitzero"`
	BindDN   string   `json:"bind_dn,omitzero"`
	// BindPasswordFile and CAFile are names of files on every node. The nodes read
	// them when they connect; that password is stored nowhere else.
	BindPasswordFile string `json:"bind_password_file,omitzero"`
	// BindPassword is KeptPassword where the password was typed and is kept sealed;
	// the password itself never stands here.
	BindPassword string `json:"bind_password,omitzero"`
	CAFile       string `json:"ca_file,omitzero"`
	// CACertificates are the authorities themselves, in the place of CAFile.
	CACertificates Certificates `json:"ca_certificates,omitzero"`
	// ConsoleURLs are those of URLs that the console or a program named. They are
	// judged at each connection by where their names lead to (decision 0046).
	ConsoleURLs []string            `json:"urls_from_console,omitzero"`
	BaseDN      string              `json:"base_dn,omitzero"`
	UserFilter  string              `json:"user_filter,omitzero"`
	GroupFilter string              `json:"group_filter,omitzero"`
	Attributes  DirectoryAttributes `json:"attributes,omitzero"`
	// WriteBack lets Kunci set passwords; without it every account is not managed here.
	WriteBack bool `json:"write_back"`
	// AllowedNetworks are networks that are not public and in which an owner may try and
	// connect a server from the console all the same; an organization that keeps its
	// accounts here may name them too. Servers that its file names need none.
	AllowedNetworks []string `json:"allowed_networks,omitzero"`
	// Sync has the directory listed from time to time, so that figures are those of
	// everybody in it.
	Sync DirectorySync `json:"sync,omitzero"`
}

// Networks are the networks in which another server may be tried although they
// are not public.
func (d DirectoryConfig) Networks() []netip.Prefix { return networks(d.AllowedNetworks) }

// CheckConnection says what is wrong with a connection that somebody typed, by
// the keys of a document; the file of the password is not theirs to name.
func (d DirectoryConfig) CheckConnection() config.Faults {
	d.BindPasswordFile, d.BindPassword = "", KeptPassword // stands for the one that is typed, or there
	c := &checker{}
	c.directory(&d)
	var faults config.Faults
	for _, p := range c.problems {
		faults = append(faults, p.fault())
	}
	return faults
}

// DirectorySync says how often a directory is listed, and who is on the list.
type DirectorySync struct {
	// Every is the time between the beginnings of two passes; zero: never listed.
	Every time.Duration `json:"every,omitzero"`
	// Filter narrows the list to those it finds too; empty: everybody that
	// user_filter could find.
	Filter string `json:"filter,omitzero"`
}

// On tells whether the directory is listed.
func (s DirectorySync) On() bool { return s.Every > 0 }

// LeastSync and MostSync bound the time between two passes.
const (
	LeastSync = 5 * time.Minute
	MostSync  = 7 * 24 * time.Hour
)

// DirectoryAttributes names the attributes of an entry. Disabled to External are yes
// or no: the name of an attribute that says TRUE, or NAME=VALUE for any other value.
type DirectoryAttributes struct {
	UserID      string `json:"user_id,omitzero"`
	DisplayName string `json:"display_name,omitzero"`
	GivenName   string `json:"given_name,omitzero"`
	FamilyName  string `json:"family_name,omitzero"`
	Language    string `json:"language,omitzero"`
	GroupName   string `json:"group_name,omitzero"` // of a group's entry
	Disabled    string `json:"disabled,omitzero"`
	MustChange  string `json:"must_change,omitzero"`
	Privileged  string `json:"privileged,omitzero"`
	// External marks an account whose password is mastered elsewhere.
	External string `json:"password_source,omitzero"`
	// Email, MobilePhone and OfficePhone hold what people can be reached by. They have
	// no default: without a name nothing of the directory becomes a method.
	Email       string `json:"email,omitzero"`
	MobilePhone string `json:"mobile_phone,omitzero"`
	OfficePhone string `json:"office_phone,omitzero"`
}

// Named gives the attribute names by their keys.
func (a DirectoryAttributes) Named() map[string]string {
	return map[string]string{
		"user_id": a.UserID, "display_name": a.DisplayName, "given_name": a.GivenName, "family_name": a.FamilyName,
		"language": a.Language, "group_name": a.GroupName, "disabled": a.Disabled, "must_change": a.MustChange,
		"privileged": a.Privileged, "password_source": a.External,
		"email": a.Email, "mobile_phone": a.MobilePhone, "office_phone": a.OfficePhone,
	}
}

// ReadAttributes takes names of attributes by their keys; false: a key is unknown.
func ReadAttributes(named map[string]string) (a DirectoryAttributes, ok bool) {
	known := a.Named()
	for key := range named {
		if _, ok := known[key]; !ok {
			return a, false
		}
	}
	text, err := json.Marshal(named)
	return a, err == nil && json.Unmarshal(text, &a) == nil
}

var (
	attributeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)
	// userIDForm is the one place a user ID may have: the whole value of an equality.
	userIDForm = regexp.MustCompile(`\([A-Za-z][A-Za-z0-9-]*=\{user_id\}\)`)
	placeForm  = regexp.MustCompile(`\{[^{}]*\}`)
)

// neverRead are attributes that hold passwords or what is made of them: what an
// attribute is mapped to is shown to administrators.
var neverRead = []string{
	"userpassword", "unicodepwd", "ntpwdhistory", "lmpwdhistory", "dbcspwd", "supplementalcredentials", "sambantpassword", "sambalmpassword",
	"krbprincipalkey", "ipanthash", "pwdhistory", "passwordhistory", "ms-mcs-admpwd", "mslaps-password", "mslaps-encryptedpassword", "authpassword",
}

// MaxServers bounds a list of URLs.
const MaxServers = 8

func (c *checker) directory(d *DirectoryConfig) {
	c.oneOf("directory.kind", d.Kind, Embedded, LDAP)
	c.networks("directory.", d.AllowedNetworks)
	if d.Kind != LDAP {
		c.onlyForLDAP(*d)
		return
	}
	c.oneOf("directory.dialect", d.Dialect, OpenLDAP, DS389, FreeIPA, ActiveDirectory)
	c.servers(d)
	if d.BindDN == "" || strings.ContainsFunc(d.BindDN, notPrintable) {
		c.say("directory.bind_dn", "bind_dn")
	}
	for key, path := range map[string]string{"bind_password_file": d.BindPasswordFile, "ca_file": d.CAFile} {
		if path != "" && !filepath.IsAbs(path) {
			c.refuse("directory."+key, "expected the name of a file; from the program it has to begin at the root, such as /etc/kunci/ldap-password")
		}
	}
	c.secrets(d)
	if !strings.Contains(d.BaseDN, "=") || strings.ContainsFunc(d.BaseDN, notPrintable) {
		c.say("directory.base_dn", "base_dn")
	}
	if f := d.UserFilter; f != "" {
		places := placeForm.FindAllString(f, -1)
		if !balanced(f) || !userIDForm.MatchString(f) || slices.ContainsFunc(places, func(p string) bool { return p != UserIDPlace }) {
			c.say("directory.user_filter", "user_filter")
		}
	}
	if f := d.GroupFilter; f != "" {
		places := placeForm.FindAllString(f, -1)
		if !balanced(f) || len(places) == 0 || slices.ContainsFunc(places, func(p string) bool { return p != DNPlace }) {
			c.refuse("directory.group_filter", "expected a filter in brackets in which a group's members are {dn}, such as (member={dn})")
		}
	}
	if y := d.Sync; y.Every != 0 && (y.Every < LeastSync || y.Every > MostSync) {
		c.refuse("directory.sync.every", "expected a time from 5m to 168h, or 0 for no list")
	}
	if f := d.Sync.Filter; f != "" && (!balanced(f) || placeForm.MatchString(f)) {
		c.refuse("directory.sync.filter", "expected a filter in brackets without places to fill in, such as (employeeType=staff)")
	}
	for key, name := range d.Attributes.Named() {
		flag := slices.Contains([]string{"disabled", "must_change", "privileged", "password_source"}, key)
		attribute, value, _ := strings.Cut(name, "=")
		if slices.Contains(neverRead, strings.ToLower(attribute)) {
			c.refuse("directory.attributes."+key, "this attribute holds passwords, which are never read")
		}
		if name != "" && (!attributeForm.MatchString(attribute) || (value != "" || attribute != name) && !flag) {
			text := "expected the name of an attribute"
			if flag {
				text += ", or NAME=VALUE"
			}
			c.refuse("directory.attributes."+key, "%s", text)
		}
	}
}

// secrets judges where the password and the authorities are.
func (c *checker) secrets(d *DirectoryConfig) {
	switch {
	case d.BindPassword != "" && d.BindPassword != KeptPassword:
		c.refuse("directory.bind_password", "a password does not stand in this file; name the file that holds it with bind_password_file")
	case d.BindPassword != "" && d.BindPasswordFile != "":
		c.refuse("directory.bind_password", "expected either bind_password_file or the password that is kept")
	case d.BindPassword == "" && d.BindPasswordFile == "":
		c.refuse("directory.bind_password_file", "expected the file that holds the password of bind_dn, readable by Kunci alone")
	}
	if d.CACertificates != "" {
		read, err := ReadCertificates([]byte(d.CACertificates))
		switch {
		case err != nil:
			c.refuse("directory.ca_certificates", "%v", err)
		case d.CAFile != "":
			c.refuse("directory.ca_certificates", "expected either ca_file or the certificates themselves")
		}
		d.CACertificates = read
	}
	for i, u := range d.ConsoleURLs {
		if !slices.Contains(d.URLs, u) {
			c.refuse(fmt.Sprintf("directory.urls_from_console[%d]", i), "expected one of urls")
		}
	}
}

func (c *checker) onlyForLDAP(d DirectoryConfig) {
	rest := d
	rest.Kind = ""
	if len(rest.URLs) == 0 {
		rest.URLs = nil
	}
	rest.AllowedNetworks = nil
	if len(rest.ConsoleURLs) == 0 {
		rest.ConsoleURLs = nil
	}
	if !reflect.ValueOf(rest).IsZero() {
		c.refuse("directory.kind", "the keys beside kind and allowed_networks belong to the kind ldap, and this one is %s", d.Kind)
	}
}

func (c *checker) servers(d *DirectoryConfig) {
	if len(d.URLs) == 0 || len(d.URLs) > MaxServers {
		c.say("directory.urls", "servers", "most", MaxServers)
	}
	for i, text := range d.URLs {
		key := fmt.Sprintf("directory.urls[%d]", i)
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
			(u.Scheme != "ldaps" && u.Scheme != "ldap"):
			c.say(key, "server")
		case u.Scheme == "ldap" && !d.StartTLS:
			c.say(key, "server_open")
		case u.Scheme == "ldaps" && d.StartTLS:
			c.say(key, "server_tls")
		case slices.Contains(d.URLs[:i], text):
			c.say(key, "twice", "value", text)
		}
	}
}

// balanced tells whether brackets open and close as a filter's do.
func balanced(filter string) bool {
	if !strings.HasPrefix(filter, "(") || !strings.HasSuffix(filter, ")") || len(filter) > 2000 || strings.ContainsFunc(filter, notPrintable) {
		return false
	}
	depth := 0
	for i, r := range filter {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth < 0 || depth == 0 && i < len(filter)-1 {
			return false
		}
	}
	return depth == 0
}

// locate makes the files that a directory's configuration names absolute.
func (d *DirectoryConfig) locate(folder string) []Problem {
	if d.Kind != LDAP {
		return nil
	}
	return locate(folder, "directory", map[string]*string{"bind_password_file": &d.BindPasswordFile, "ca_file": &d.CAFile})
}
