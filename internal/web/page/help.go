package page

import (
	"net/url"

	"kunci.dev/kunci/internal/problem"
)

// HelpRoot is the address of the help's list of articles.
const HelpRoot = "/help"

// articles are the help's articles for pages, by the page's name and, where it
// is a dead end, by its problem. A page that is not here leads to the list.
// Pages about one kind of method lead to the article of the kind.
var articles = map[string]string{
	"signin-verify": "codes", "interrupt": "methods",
	"reset-identify": "forgot-password", "reset-choose": "methods", "reset-verify": "code-missing", "reset-password": "forgot-password",
	"reset-contact": "not-verified", "reset-dispute": "not-me", "reset-dispute-done": "not-me",
	"security-info": "methods", "security-info-add": "methods", "own-data": "own-data", "push-approve": "devices", "signin-pass": "temporary-access-pass",
	"passkey": "passkeys", "authenticator_code": "authenticator-app", "authenticator_push": "devices", "hardware_token": "hardware-tokens",
	"recovery_code": "recovery-codes", "email": "email", "mobile_phone": "phones", "office_phone": "phones",
	"security_questions": "security-questions", "temporary_access_pass": "temporary-access-pass",
	string(problem.NotVerified): "not-verified", string(problem.NotEnabled): "not-enabled", string(problem.NotManaged): "not-managed",
	string(problem.Blocked): "blocked", string(problem.Expired): "expired", string(problem.Cookies): "cookies",
	string(problem.UpdateBrowser): "update-browser", string(problem.DirectoryUnavailable): "try-later",
	string(problem.DirectoryRefused): "try-later", string(problem.Busy): "try-later", string(problem.StillWriting): "try-later", string(problem.Unavailable): "try-later",
}

// HelpArticles lists the articles that pages lead to.
func HelpArticles() map[string]string { return articles }

// HelpPath is where the page's help link leads. It names the organization where
// one is known, so that the article can: a browser in a reset has no other way
// to tell.
func (b Base) HelpPath() string {
	path := HelpRoot
	for _, name := range []string{b.Problem, b.About, b.Name} {
		if article, ok := articles[name]; ok {
			path += "/" + article
			break
		}
	}
	if b.Brand.Slug == "" {
		return path
	}
	return path + "?" + url.Values{"org": {b.Brand.Slug}}.Encode()
}
