package ldap

import (
	"context"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// passwordModify is the password modify operation (RFC 3062).
const passwordModify = "1.3.6.1.4.1.4203.1.11.1"

// modifyPassword is RFC 3062 with the password policy control. An empty name is
// the person who signed in on the connection.
func modifyPassword(ctx context.Context, c *conn, dn, old, pw string) error {
	value := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for tag, text := range []string{dn, old, pw} {
		if text != "" {
			value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, ber.Tag(tag), text, ""))
		}
	}
	r := ldap.NewExtendedRequest(passwordModify, value)
	r.Controls = []ldap.Control{policyControl()}
	var err error
	for range overtaken {
		_, err = c.extended(ctx, r)
		code, answered := resultOf(err)
		if !answered || code != ldap.LDAPResultAttributeOrValueExists && code != ldap.LDAPResultNoSuchAttribute {
			break
		}
	}
	return err
}

// overtaken is how often a password is set again that another set of the same
// one overtook: slapo-ppolicy then stumbles over the history that the other wrote,
// and writes nothing.
const overtaken = 4

// changeAsOwner signs the person in with the old password and has them set the new
// one, so that the server's rules hold as they do for anybody. A refusal is read by
// the dialect s.
func (d *Directory) changeAsOwner(ctx context.Context, s dialect, c *conn, p person, old, pw string, refused func(error) error) error {
	leave, err := d.turns.enter(ctx, p.Key)
	if err != nil {
		return err
	}
	own, controls, err := c.server.bound(ctx, p.dn, old, policyControl())
	leave()
	if own != nil {
		defer own.close()
	}
	result, err := s.judge(p, controls, err)
	if err != nil {
		return err
	}
	switch {
	case !result.Right():
		return directory.ErrWrongPassword
	case own == nil:
		// Right, but expired: the server does not let the person in to change it.
		return s.set(ctx, c, p, pw, directory.SetOptions{})
	}
	err = modifyPassword(ctx, own, "", old, pw)
	c.wrote, c.broken = c.wrote || own.wrote, c.broken || own.broken
	return refused(err)
}
