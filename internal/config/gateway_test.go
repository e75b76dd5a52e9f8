package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const sid = "0123456789abcdef0123456789abcdef"

func TestGateways(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"keys":   "X-Api-Key: k3y\n\nX-Team: kunci\n",
		"secret": "s3cret\n", "token": "t0ken\n", "empty": "\n", "broken": "no header, but k3y",
		"kunci.yaml": `
sms:
  provider: http
  url: https://sms.example.com/send
  headers: ["Accept: application/json"]
  headers_file: keys
  secret_file: secret
  content_type: application/x-www-form-urlencoded
  body: "to={to}&text={text}&key={secret}"
  success_status: [200, 202]
  success_pattern: '"status":"0"'
  timeout: 5s
voice: {provider: twilio, account_sid: AC` + sid + `, auth_token_file: token, from: "+14255550100"}
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(folder, "kunci.yaml"), []string{"KUNCI_SMS_FROM=KUNCI", "KUNCI_VOICE_TIMEOUT=7s"})
	if err != nil {
		t.Fatal(err)
	}
	if g := c.SMS; g.Method != "POST" || g.Secret != "s3cret" || g.Timeout != 5*time.Second || g.From != "KUNCI" ||
		!reflect.DeepEqual(g.Header, [][2]string{{"Accept", "application/json"}, {"X-Api-Key", "k3y"}, {"X-Team", "kunci"}}) {
		t.Errorf("texts: %+v", g)
	}
	if g := c.Voice; g.Secret != "t0ken" || g.BaseURL != "https://api.twilio.com" || g.Timeout != 7*time.Second {
		t.Errorf("calls: %+v", g)
	}
	good := "provider: http, url: \"https://sms.example.com\", body: \"{to}{text}\""
	twilio := "provider: twilio, account_sid: AC" + sid + ", auth_token_file: token"
	for _, c := range []struct{ text, key string }{
		{"sms: {" + good + ", url_typo: x}", "sms.url_typo"},
		{"sms: {" + good + ", account_sid: AC1}", "sms.account_sid"},
		{"sms: {" + good + ", method: PATCH}", "sms.method"},
		{"sms: {" + good + ", method: GET}", "sms.body"},
		{"sms: {" + good + ", timeout: 1m}", "sms.timeout"},
		{"sms: {" + good + ", timeout: soon}", "sms.timeout"},
		{"sms: {" + good + ", success_status: [404]}", "sms.success_status"},
		{"sms: {" + good + ", success_pattern: \"(\"}", "sms.success_pattern"},
		{"sms: {" + good + ", content_type: text/html}", "sms.content_type"},
		{"sms: {" + good + ", headers: [no header]}", "sms.headers"},
		{"sms: {" + good + ", headers: [\"Host: elsewhere\"]}", "sms.headers"},
		{"sms: {" + good + ", headers_file: gone}", "sms.headers_file"},
		{"sms: {" + good + ", headers_file: broken}", "sms.headers_file"},
		{"sms: {" + good + ", secret_file: empty}", "sms.secret_file"},
		{"sms: {" + good + ", ca_file: gone}", "sms.ca_file"},
		{"sms: {provider: http, url: \"https://sms.example.com\", body: \"{to}\"}", "sms.body"},
		{"sms: {provider: http, url: \"https://sms.example.com\", body: \"{to}{text}{token}\"}", "sms.body"},
		{"sms: {provider: http, url: \"https://sms.example.com\", body: \"{to}{text}{secret}\"}", "sms.secret_file"},
		{"sms: {provider: http, url: \"http://sms.example.com\", body: \"{to}{text}\"}", "sms.url"},
		{"sms: {provider: http, url: \"https://u:p@sms.example.com\", body: \"{to}{text}\"}", "sms.url"},
		{"sms: {provider: http, url: \"ftp://sms.example.com\", body: \"{to}{text}\"}", "sms.url"},
		{"voice: {provider: http, url: \"https://sms.example.com/{to}/{text}\"}", "voice.url"},
		{"sms: {" + twilio + "}", "sms.from"},
		{"sms: {" + twilio + ", messaging_service_sid: MG1}", "sms.messaging_service_sid"},
		{"sms: {" + twilio + ", from: Kunci, url: \"https://sms.example.com\"}", "sms.url"},
		{"sms: {" + twilio + ", from: Kunci, base_url: \"http://twilio.example.com\"}", "sms.base_url"},
		{"sms: {provider: twilio, account_sid: " + sid + ", auth_token_file: token, from: Kunci}", "sms.account_sid"},
		{"sms: {provider: twilio, account_sid: AC" + sid + ", from: Kunci}", "sms.auth_token_file"},
		{"voice: {" + twilio + ", messaging_service_sid: MG" + sid + "}", "voice.messaging_service_sid"},
	} {
		path := filepath.Join(folder, "wrong.yaml")
		if err := os.WriteFile(path, []byte(c.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, nil)
		found := false
		for _, f := range faultsOf(t, err) {
			found = found || f.Key == c.key && f.Line == 1
		}
		if !found {
			t.Errorf("%s is not refused for %s: %v", c.text, c.key, err)
		}
		if err != nil && strings.Contains(err.Error(), "k3y") {
			t.Errorf("%s: the fault repeats a key: %v", c.text, err)
		}
	}
}
