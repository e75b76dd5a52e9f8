package org

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// KeptPassword is what a document says of a password that is kept here, sealed: it
// was typed in the console, or sent by a program. It stands for that very password
// and that very connection, and keeps what is there.
const KeptPassword = "kept"

// Certificates are those of authorities, as PEM. What is no certificate is not among them.
type Certificates string

// String is short, for lists of changes.
func (c Certificates) String() string {
	if c == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(c))
	return fmt.Sprintf("%d (sha256 %s)", strings.Count(string(c), "-----BEGIN "), hex.EncodeToString(sum[:8]))
}

// errCertificates says what was expected, and repeats nothing.
var errCertificates = errors.New("expected certificates as PEM, from -----BEGIN CERTIFICATE----- on")

const mostCertificates = 20

// ReadCertificates takes the certificates out of a text. Anything else in it, such as
// a key that somebody pasted with them, is left behind.
func ReadCertificates(text []byte) (Certificates, error) {
	var all bytes.Buffer
	for n := 0; ; {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		if n++; n > mostCertificates {
			return "", errCertificates
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", errCertificates
		}
		if err := pem.Encode(&all, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return "", errCertificates
		}
	}
	if all.Len() == 0 {
		return "", errCertificates
	}
	return Certificates(all.String()), nil
}

// bound is what a kept password belongs to: the organization, and the connection that
// it was typed for. A password whose connection differs does not open, whatever else
// went wrong before (CWE-522).
func bound(orgID string, d DirectoryConfig) (string, error) {
	what, err := json.Marshal([]any{d.URLs, d.StartTLS, d.CAFile, d.CACertificates, d.BindDN})
	if err != nil {
		return "", fmt.Errorf("directory of %s: %w", orgID, err)
	}
	sum := sha256.Sum256(what)
	return "directory-password|" + orgID + "|" + hex.EncodeToString(sum[:]), nil
}

// OpenKept gives the kept password of an organization for its connection, and for no
// other. secret.ErrSealed where it is none of this connection's.
func (o *Organization) OpenKept(keys *secret.Keyset) (string, error) {
	if o.Directory.BindPassword != KeptPassword || len(o.Kept) == 0 || keys == nil {
		return "", errors.New("no password is kept for this connection")
	}
	ad, err := bound(o.ID, o.Directory)
	if err != nil {
		return "", err
	}
	plain, err := keys.Open(o.Kept, ad)
	return string(plain), err
}

// keep gives after the password that belongs to its connection: the typed one, the
// one that is kept, or none where a file is named.
func (s *Service) keep(before, after *Organization, typed string) error {
	if after.Directory.BindPassword != KeptPassword {
		after.Kept = nil
		return nil
	}
	is, err := bound(after.ID, after.Directory)
	if err != nil {
		return err
	}
	if typed != "" {
		if s.keys == nil {
			return errors.New("org: a password is to be kept, and there are no keys")
		}
		after.Kept, err = s.keys.Seal([]byte(typed), is)
		return err
	}
	was, err := bound(before.ID, before.Directory)
	if err != nil {
		return err
	}
	if len(before.Kept) == 0 || was != is {
		return config.Faults{{Key: "directory.bind_password", Text: "no password is kept here for this connection: its servers, TLS, authorities or account differ; " +
			"name the file that holds the password with bind_password_file, or connect the directory in the console"}}
	}
	after.Kept = before.Kept
	return nil
}

// SetDirectory replaces the directory of an organization that is still at the expected
// version, and tells what changed. A password that was typed is kept sealed, bound to
// this connection. Problems: config.Faults, Conflict, NotFound.
func (s *Service) SetDirectory(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, d DirectoryConfig, password string, expectedVersion int64) ([]Change, error) {
	before, err := s.Get(ctx, tx, orgID)
	if err != nil {
		return nil, err
	}
	if before.Version != expectedVersion {
		return nil, problem.New(problem.Conflict)
	}
	document := before.Document()
	document.Directory = d
	return s.apply(ctx, tx, by, document, applying{expected: expectedVersion, password: password})
}

// renewed tells of a password in the place of another one, which no key of the
// document shows.
func renewed(changes []Change, before, after *Organization) []Change {
	if before.Directory.BindPassword != KeptPassword || after.Directory.BindPassword != KeptPassword || bytes.Equal(before.Kept, after.Kept) {
		return changes
	}
	changes = append(changes, Change{"directory.bind_password", KeptPassword, KeptPassword + ", another one"})
	slices.SortStableFunc(changes, func(a, b Change) int { return strings.Compare(a.Key, b.Key) })
	return changes
}

// Reseal seals the next kept passwords after an organization under the newest key. It
// gives the last row it looked at, empty at the end, and how many it sealed.
func (s *Service) Reseal(ctx context.Context, tx *store.Tx, after string, limit int) (last string, resealed int, err error) {
	ids, err := selectKeptAfter(ctx, tx, after, limit)
	if err != nil {
		return "", 0, fmt.Errorf("reseal directories: %w", err)
	}
	for _, id := range ids {
		last = id
		o, err := s.Get(ctx, tx, id)
		if err != nil {
			return "", 0, err
		}
		ad, err := bound(id, o.Directory)
		if err != nil {
			return "", 0, err
		}
		fresh, old, err := s.keys.Reseal(o.Kept, ad)
		if err != nil {
			return "", 0, fmt.Errorf("reseal the directory of %s: %w", o.Slug, err)
		}
		if !old {
			continue
		}
		n, err := updateKept(ctx, tx, id, o.Kept, fresh)
		if err != nil {
			return "", 0, fmt.Errorf("reseal the directory of %s: %w", o.Slug, err)
		}
		resealed += int(n)
	}
	return last, resealed, nil
}
