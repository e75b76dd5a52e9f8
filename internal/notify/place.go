package notify

import "net/netip"

// Places tells where an address is, in a language. What is unknown is empty.
type Places interface {
	Find(a netip.Addr, lang string) (city, country string)
}

// Place says where a request came from, as people read it: city and country where
// they are known, and always the address, which is what can be relied on. Empty:
// that is no address.
func (s *Service) Place(lang, ip string) string {
	c := newComposer(lang, "")
	c.places = s.places
	return c.place(ip)
}

// place is where an address is, or nothing that was typed. A place is somebody's
// text too: it comes from a file.
func (c composer) place(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	a = a.WithZone("").Unmap()
	if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return c.t("notify.place.private", "address", a.String())
	}
	if c.places == nil {
		return a.String()
	}
	city, country := c.places.Find(a, c.p.Lang())
	city, country = defang(plain(city, maxName)), defang(plain(country, maxName))
	switch {
	case city != "" && country != "":
		return c.t("notify.place.city", "city", city, "country", country, "address", a.String())
	case city != "" || country != "":
		return c.t("notify.place.one", "place", city+country, "address", a.String())
	}
	return a.String()
}
