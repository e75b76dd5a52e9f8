package web

import (
	"net/http/httptest"
	"testing"
)

func TestOnlyPagesOfTheSameOriginChangeAnything(t *testing.T) {
	far := &server{origins: origins{all: []string{"https://reset.example", "https://akun.example:8443"}}}
	near := &server{origins: origins{all: []string{"http://localhost:8080"}, local: "http"}}
	const public, page, program = "reset.example", "/password", "/api/v1/orgs/contoso/people"
	for name, test := range map[string]struct {
		on         *server
		host, path string
		header     [][2]string
		want       bool
	}{
		"of the browser's word":            {far, public, page, [][2]string{{"Sec-Fetch-Site", "same-origin"}}, true},
		"typed by the reader":              {far, public, page, [][2]string{{"Sec-Fetch-Site", "none"}}, true},
		"another site":                     {far, public, page, [][2]string{{"Sec-Fetch-Site", "cross-site"}}, false},
		"another host of the site":         {far, public, page, [][2]string{{"Sec-Fetch-Site", "same-site"}, {"Origin", "https://reset.example"}}, false},
		"a word nobody knows":              {far, public, page, [][2]string{{"Sec-Fetch-Site", "friend"}}, false},
		"an empty word":                    {far, public, page, [][2]string{{"Sec-Fetch-Site", ""}}, false},
		"two words":                        {far, public, page, [][2]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "cross-site"}}, false},
		"our origin":                       {far, public, page, [][2]string{{"Origin", "https://reset.example"}}, true},
		"http to https":                    {far, public, page, [][2]string{{"Origin", "http://reset.example"}}, false},
		"http to https, with a key":        {far, public, program, [][2]string{{"Origin", "http://reset.example"}}, false},
		"another port":                     {far, public, page, [][2]string{{"Origin", "https://reset.example:444"}}, false},
		"a host below":                     {far, public, page, [][2]string{{"Origin", "https://evil.reset.example"}}, false},
		"a name that ends like ours":       {far, public, page, [][2]string{{"Origin", "https://evilreset.example"}}, false},
		"a user before the host":           {far, public, page, [][2]string{{"Origin", "https://a@reset.example"}}, false},
		"a path":                           {far, public, page, [][2]string{{"Origin", "https://reset.example/"}}, false},
		"null":                             {far, public, page, [][2]string{{"Origin", "null"}}, false},
		"null, with our page as referrer":  {far, public, page, [][2]string{{"Origin", "null"}, {"Referer", "https://reset.example/password"}}, false},
		"an empty origin":                  {far, public, page, [][2]string{{"Origin", ""}}, false},
		"two origins":                      {far, public, page, [][2]string{{"Origin", "https://reset.example"}, {"Origin", "https://evil.example"}}, false},
		"another address of ours":          {far, "akun.example:8443", page, [][2]string{{"Origin", "https://akun.example:8443"}}, true},
		"from one address to another":      {far, "akun.example:8443", page, [][2]string{{"Origin", "https://reset.example"}}, false},
		"the page before":                  {far, public, page, [][2]string{{"Referer", "https://reset.example/password?a=b"}}, true},
		"the page before, by http":         {far, public, page, [][2]string{{"Referer", "http://reset.example/password"}}, false},
		"the page before elsewhere":        {far, public, page, [][2]string{{"Referer", "https://evil.example/https://reset.example"}}, false},
		"nothing said":                     {far, public, page, nil, true},
		"nothing said, with a key":         {far, public, program, nil, true},
		"nothing said, with a signature":   {far, public, "/hooks/twilio/sms/1", nil, true},
		"another site, with a key":         {far, public, program, [][2]string{{"Sec-Fetch-Site", "cross-site"}}, false},
		"null, with a key":                 {far, public, program, [][2]string{{"Origin", "null"}}, false},
		"this machine":                     {near, "localhost:8080", page, [][2]string{{"Origin", "http://localhost:8080"}}, true},
		"this machine by its number":       {near, "127.0.0.1:8080", page, [][2]string{{"Origin", "http://127.0.0.1:8080"}}, true},
		"this machine, another port":       {near, "127.0.0.1:8080", page, [][2]string{{"Origin", "http://127.0.0.1:9090"}}, false},
		"this machine, another scheme":     {near, "127.0.0.1:8080", page, [][2]string{{"Origin", "https://127.0.0.1:8080"}}, false},
		"this machine's other name":        {near, "127.0.0.1:8080", page, [][2]string{{"Origin", "http://localhost:8080"}}, false},
		"elsewhere under its name's begin": {near, "127.0.0.1:8080", page, [][2]string{{"Origin", "http://127.0.0.1.evil.example:8080"}}, false},
	} {
		r := httptest.NewRequest("POST", test.path, nil)
		r.Host = test.host
		for _, h := range test.header {
			r.Header.Add(h[0], h[1])
		}
		if got := test.on.fromOurs(r); got != test.want {
			t.Errorf("%s: let through is %v", name, got)
		}
	}
}
