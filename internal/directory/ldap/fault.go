package ldap

import (
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// unavailable is directory.ErrUnavailable with what happened underneath.
func unavailable(cause error) error {
	if cause == nil {
		return directory.ErrUnavailable
	}
	if errors.Is(cause, directory.ErrUnavailable) {
		return cause
	}
	return fmt.Errorf("%w: %w", directory.ErrUnavailable, cause)
}

// fault maps what means the same on every server. What is already one of the
// directory's errors stays as it is.
func fault(err error) error {
	if err == nil {
		return nil
	}
	if _, refused := directory.Refused(err); refused || directory.Incomplete(err) != "" {
		return err
	}
	for _, known := range []error{directory.ErrNotFound, directory.ErrWrongPassword, directory.ErrUnavailable, directory.ErrRights} {
		if errors.Is(err, known) {
			return err
		}
	}
	code, answered := resultOf(err)
	if !answered {
		return unavailable(err)
	}
	switch code {
	case ldap.LDAPResultNoSuchObject:
		return fmt.Errorf("%w: %w", directory.ErrNotFound, err)
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultOther:
		return unavailable(err)
	}
	// Everything else is how the directory or Kunci in it is set up: the person
	// cannot mend it by trying again.
	return fmt.Errorf("%w: %w", directory.ErrRights, err)
}

// readOnly tells whether a server refused a write because it takes none: a
// replica gives a referral, or says that it is one.
func readOnly(err error) bool {
	code, answered := resultOf(err)
	return answered && (code == ldap.LDAPResultReferral ||
		code == ldap.LDAPResultUnwillingToPerform && shadow.MatchString(saidIn(err)))
}

// misconfigured is a file of this node that is not as the organization says. It
// counts as rights that are missing: trying again does not help the person.
func misconfigured(key string, err error) error {
	return fmt.Errorf("%w: directory.%s: %w", directory.ErrRights, key, err)
}

// noRights is directory.ErrRights with what happened underneath.
func noRights(cause error) error { return fmt.Errorf("%w: %w", directory.ErrRights, cause) }
