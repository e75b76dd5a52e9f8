// Package egress owns which hosts Kunci connects to when the address was chosen
// by somebody else: an organization's webhook or identity provider, a browser's
// push service. It promises that a connection inward is refused (OWASP ASVS 5.0,
// 1.3.6; CWE-918), whatever a name resolves to. Rooms above give its guard to
// their dialer.
package egress
