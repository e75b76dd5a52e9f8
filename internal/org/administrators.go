package org

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// ID names an administrator in addresses, where a user ID would stand in the logs
// of every proxy. Who knows the user ID can compute it: it opens nothing.
func (a Administrator) ID() string {
	sum := sha256.Sum256([]byte("administrator\x00" + normalize(a.UserID) + "\x00" + a.Group))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Administrator finds one by its ID.
func (o *Organization) Administrator(id string) (Administrator, bool) {
	for _, a := range o.Administrators {
		if a.ID() == id {
			return a, true
		}
	}
	return Administrator{}, false
}

// Named gives what stands in the document for the same person or group.
func (o *Organization) Named(a Administrator) (Administrator, bool) { return o.Administrator(a.ID()) }

// With is the organization as it would be with this administrator in place of the
// one of the same name; an empty role: without.
func (o *Organization) With(a Administrator) *Organization {
	after := *o
	after.Administrators = slices.Clone(o.Administrators)
	at := slices.IndexFunc(after.Administrators, func(b Administrator) bool { return b.ID() == a.ID() })
	switch {
	case a.Role == "" && at >= 0:
		after.Administrators = slices.Delete(after.Administrators, at, at+1)
	case a.Role != "" && at >= 0:
		after.Administrators[at].Role = a.Role
	case a.Role != "":
		after.Administrators = append(after.Administrators, a)
	}
	return &after
}

// SetAdministrator gives a person or group its role, or with an empty role takes it
// away, while the organization is at the expected version. account is the person's
// account for the event, empty for a group and for somebody who has left. What is so
// already changes nothing. Problems: config.Faults, Conflict, LastOwner, NotFound
// (nobody to take a role from).
func (s *Service) SetAdministrator(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, a Administrator, account string, expectedVersion int64) error {
	before, err := s.Get(ctx, tx, orgID)
	if err != nil {
		return err
	}
	if before.Version != expectedVersion {
		return problem.New(problem.Conflict)
	}
	had, ok := before.Named(a)
	if !ok && a.Role == "" {
		return problem.New(problem.NotFound)
	}
	after := before.With(a)
	if before.hasOwner() && !after.hasOwner() {
		return problem.New(problem.LastOwner)
	}
	about := &audit.Event{Reason: "role-granted", Target: account, Detail: map[string]string{"role": string(a.Role)}}
	if ok {
		about.Detail["role_before"] = string(had.Role)
	}
	if a.Role == "" {
		about.Reason = "role-revoked"
		delete(about.Detail, "role")
	}
	if account != "" {
		about.TargetUserID = a.UserID
	}
	if a.Group != "" {
		about.Detail["group"] = a.Group
	}
	_, err = s.apply(ctx, tx, by, after.Document(), applying{expected: expectedVersion, about: about})
	return err
}
