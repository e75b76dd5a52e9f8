package ldap

import (
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/org"
)

// State is a directory as a node uses it: what is configured, and how its servers are.
type State struct {
	// Set is the configuration with the dialect's own values for what it leaves out.
	Set org.DirectoryConfig
	// Secret tells that this node has a password for the service account.
	Secret  bool
	Servers []Health
}

// Health is what this node knows of one server; nothing is asked to learn it.
type Health struct {
	URL string
	// AnsweredAt is when it last answered; zero: this node has not asked it since it
	// started or the directory was configured.
	AnsweredAt time.Time
	// DownSince is when it stopped answering; zero: it did not.
	DownSince time.Time
	// Writes tells that it has not refused, a moment ago, to take a change as a
	// replica does.
	Writes bool
	// RefusedAt and Refusal are when and how it last refused Kunci's own account, or
	// something to it: a result of RFC 4511, 4.1.9 with its number, or RefusalFile.
	RefusedAt time.Time
	Refusal   string
}

// RefusalFile is the refusal of a node whose own file cannot be used.
const RefusalFile = "file"

// State tells how an organization's directory is. It connects to nothing.
func (s *Service) State(o *org.Organization) (State, error) {
	s.mu.Lock()
	d := s.open[o.ID]
	s.mu.Unlock()
	if d == nil || !d.built(o) {
		var err error
		if d, err = s.build(o); err != nil {
			return State{}, err
		}
		defer d.pool.close()
	}
	state := State{Set: d.set}
	for _, server := range d.pool.servers {
		_, err := server.password()
		state.Secret = err == nil
	}
	for _, server := range d.pool.servers {
		state.Servers = append(state.Servers, server.health())
	}
	return state, nil
}

func (s *server) health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Health{s.String(), s.heard, s.downSince, !s.now().Before(s.noWrites), s.lastNo, s.why}
}

// refusalOf says a refusal without what the server wrote into it, which may name people.
func refusalOf(err error) string {
	if code, answered := resultOf(err); answered {
		return fmt.Sprintf("%d %s", code, ldap.LDAPResultCodeMap[code])
	}
	return RefusalFile
}
