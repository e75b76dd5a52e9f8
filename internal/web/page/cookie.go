package page

// SessionCookie is the cookie that holds the token of a browser somebody is
// signed in with.
const SessionCookie = "kunci-session"

// CookieName adds "__Host-" where the browser can hold us to it (RFC 6265bis,
// 4.1.3.2): a secure host.
func CookieName(secure bool, name string) string {
	if secure {
		return "__Host-" + name
	}
	return name
}
