package config

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The providers of texts and calls.
const (
	ProviderHTTP   = "http"   // any gateway, by a request that is described here
	ProviderTwilio = "twilio" // Messages and Calls, or whoever speaks the same
)

// Gateway says how texts or calls leave. An empty Provider: they do not.
type Gateway struct {
	Provider string        `yaml:"provider"` // http | twilio
	From     string        `yaml:"from"`     // {from} of a request; Twilio's From
	Timeout  time.Duration `yaml:"timeout"`  // of one request
	CAFile   string        `yaml:"ca_file"`  // certificates of the gateway's issuer; empty: the system's

	// For http.
	Method         string   `yaml:"method"`
	URL            string   `yaml:"url"`
	Headers        []string `yaml:"headers"`      // "Name: value"
	HeadersFile    string   `yaml:"headers_file"` // the same, one a line: for keys
	SecretFile     string   `yaml:"secret_file"`  // what {secret} stands for
	ContentType    string   `yaml:"content_type"`
	Body           string   `yaml:"body"`
	SuccessStatus  []int    `yaml:"success_status"`  // empty: any 2xx
	SuccessPattern string   `yaml:"success_pattern"` // the answer's body must match; empty: whatever it is

	// For twilio.
	AccountSID          string `yaml:"account_sid"`
	AuthTokenFile       string `yaml:"auth_token_file"`
	MessagingServiceSID string `yaml:"messaging_service_sid"`
	BaseURL             string `yaml:"base_url"`

	// Secret is what the secret file or the token's file holds, Header all headers.
	Secret string      `yaml:"-"`
	Header [][2]string `yaml:"-"`
}

// gatewayTimeout is what a gateway gets where the file says nothing; the
// longest leaves room within the time of one job.
const (
	gatewayTimeout = 10 * time.Second
	longestTimeout = 15 * time.Second
)

func gatewayDefaults() Gateway {
	return Gateway{Timeout: gatewayTimeout, Method: "POST", ContentType: "application/json", BaseURL: "https://api.twilio.com"}
}

// placeholders are what a URL or a body may name, in braces.
var placeholders = []string{"to", "to_digits", "text", "code", "from", "id", "secret", "lang", "extension"}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// gateway checks one section; calls tells which.
func (k *checker) gateway(section string, g *Gateway, calls bool) {
	key := func(name string) string { return section + "." + name }
	if g.Provider == "" {
		return
	}
	k.oneOf(key("provider"), g.Provider, ProviderHTTP, ProviderTwilio)
	if g.Timeout < time.Second || g.Timeout > longestTimeout {
		k.refuse(key("timeout"), "expected a time from 1s to 15s")
	}
	k.readable(key("ca_file"), g.CAFile)
	switch g.Provider {
	case ProviderHTTP:
		k.foreign(section, map[string]bool{"account_sid": g.AccountSID != "", "auth_token_file": g.AuthTokenFile != "",
			"messaging_service_sid": g.MessagingServiceSID != ""}, ProviderTwilio)
		k.request(section, g, calls)
	case ProviderTwilio:
		k.foreign(section, map[string]bool{"url": g.URL != "", "headers": len(g.Headers) > 0, "headers_file": g.HeadersFile != "",
			"secret_file": g.SecretFile != "", "body": g.Body != "", "success_status": len(g.SuccessStatus) > 0, "success_pattern": g.SuccessPattern != ""}, ProviderHTTP)
		k.twilio(section, g, calls)
	}
}

// foreign refuses keys of the other provider: whoever writes one expects it to do something.
func (k *checker) foreign(section string, written map[string]bool, of string) {
	for name, there := range written {
		if there {
			k.refuse(section+"."+name, "this key belongs to the provider "+of)
		}
	}
}

func (k *checker) request(section string, g *Gateway, calls bool) {
	key := func(name string) string { return section + "." + name }
	k.oneOf(key("method"), g.Method, "GET", "POST", "PUT")
	if text := wrongGatewayURL(placeholder.ReplaceAllString(g.URL, "x")); text != "" {
		k.refuse(key("url"), text)
	}
	if g.Method == "GET" && g.Body != "" {
		k.refuse(key("body"), "a GET has no body; use placeholders in the url")
	}
	for name, text := range map[string]string{"url": g.URL, "body": g.Body} {
		for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(placeholders, found[1]) {
				k.refuse(key(name), fmt.Sprintf("the placeholder {%s} is unknown; there are {%s}", found[1], strings.Join(placeholders, "}, {")))
			}
		}
	}
	if both := g.URL + g.Body; !strings.Contains(both, "{to}") && !strings.Contains(both, "{to_digits}") || !strings.Contains(both, "{text}") && !strings.Contains(both, "{code}") {
		k.refuse(key("body"), "expected {to} and {text} (or {code}) in the url or the body: nothing else tells the gateway what to send to whom")
	}
	if calls && strings.Contains(g.URL, "{text}") {
		k.refuse(key("url"), "what is said in a call is too long for an address; put {text} into the body, or use {code}")
	}
	k.oneOf(key("content_type"), g.ContentType, "application/json", "application/x-www-form-urlencoded", "text/plain", "application/xml", "text/xml")
	for _, status := range g.SuccessStatus {
		if status < 200 || status > 299 {
			k.refuse(key("success_status"), "expected numbers from 200 to 299")
		}
	}
	if _, err := regexp.Compile(g.SuccessPattern); err != nil {
		k.refuse(key("success_pattern"), "this is not a regular expression (RE2)")
	}
	g.Secret = k.secret(key("secret_file"), g.SecretFile)
	if g.SecretFile == "" && strings.Contains(g.URL+g.Body, "{secret}") {
		k.refuse(key("secret_file"), "{secret} is used; name the file that holds it")
	}
	g.Header = append(g.Header, k.headers(key("headers"), g.Headers)...)
	if data := k.secret(key("headers_file"), g.HeadersFile); data != "" {
		g.Header = append(g.Header, k.headers(key("headers_file"), strings.Split(data, "\n"))...)
	}
}

var headerForm = regexp.MustCompile(`^([A-Za-z0-9!#$%&'*+.^_|~-]+):[ \t]*([\x20-\x7e]+)$`)

// headers reads "Name: value" lines. A fault never repeats the value: it may be a key.
func (k *checker) headers(key string, lines []string) (all [][2]string) {
	for _, line := range lines {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		found := headerForm.FindStringSubmatch(line)
		if found == nil {
			k.refuse(key, `expected headers such as "Authorization: Bearer KEY"`)
			continue
		}
		if slices.ContainsFunc([]string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding"}, func(own string) bool { return strings.EqualFold(own, found[1]) }) {
			k.refuse(key, "the header "+found[1]+" is set by the program")
			continue
		}
		all = append(all, [2]string{found[1], found[2]})
	}
	return all
}

func (k *checker) secret(key, path string) string {
	if path == "" {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		k.refuse(key, "the file "+path+" cannot be read")
		return ""
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		k.refuse(key, "the file "+path+" is empty")
	}
	return text
}

var sidForm = regexp.MustCompile(`^(AC|MG)[0-9a-fA-F]{32}$`)

func (k *checker) twilio(section string, g *Gateway, calls bool) {
	key := func(name string) string { return section + "." + name }
	if !sidForm.MatchString(g.AccountSID) || g.AccountSID[:2] != "AC" {
		k.refuse(key("account_sid"), "expected the account's SID: AC and 32 hexadecimal digits")
	}
	if g.AuthTokenFile == "" {
		k.refuse(key("auth_token_file"), "expected the path of the file with the auth token")
	}
	g.Secret = k.secret(key("auth_token_file"), g.AuthTokenFile)
	if text := wrongGatewayURL(g.BaseURL); text != "" {
		k.refuse(key("base_url"), text)
	}
	switch {
	case calls && g.MessagingServiceSID != "":
		k.refuse(key("messaging_service_sid"), "calls come from a number; name it at from")
	case g.MessagingServiceSID != "" && (!sidForm.MatchString(g.MessagingServiceSID) || g.MessagingServiceSID[:2] != "MG"):
		k.refuse(key("messaging_service_sid"), "expected the service's SID: MG and 32 hexadecimal digits")
	case g.MessagingServiceSID == "" && g.From == "":
		k.refuse(key("from"), "expected the number or name it comes from"+map[bool]string{false: ", or a messaging_service_sid"}[calls])
	}
}

// wrongGatewayURL says what is wrong with a gateway's address. Codes do not
// travel in clear; only the machine itself may be spoken to without TLS.
func wrongGatewayURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return "expected the gateway's address, such as https://sms.example.com/send"
	}
	if u.User != nil {
		return "a password in an address ends up in logs; use headers_file or {secret}"
	}
	if u.Scheme == "http" && !Loopback(u.Hostname()) {
		return "expected https: codes do not travel in clear (http is for this machine only)"
	}
	return ""
}
