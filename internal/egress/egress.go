package egress

import (
	"errors"
	"net/netip"

	"code.dny.dev/ssrf"
)

// platform is Azure's virtual public address: public in form, it is the same on every
// machine there and gives out what the machine is set up with, certificates and all
// (WireServer). Those of other clouds are in networks that are not public:
// 169.254/16, Alibaba's 100.100.100.200, Oracle's 192.0.0.192, fd00:ec2::254, fd20:ce::254.
var platform = netip.MustParsePrefix("168.63.129.16/32")

// Guard judges an address when the connection to it is made: what a name leads to
// is known only then. Its Safe is the Control of a net.Dialer. Public addresses
// pass, and those of the allowed networks; without ports any port does.
func Guard(allowed []netip.Prefix, ports ...uint16) *ssrf.Guardian {
	var four, six []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			four = append(four, p)
		} else {
			six = append(six, p)
		}
	}
	return ssrf.New(ssrf.WithPorts(ports...), ssrf.WithDeniedV4Prefixes(platform), ssrf.WithAllowedV4Prefixes(four...), ssrf.WithAllowedV6Prefixes(six...))
}

// Refused tells whether a connection failed because a guard did not let it.
func Refused(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrProhibitedPort)
}
