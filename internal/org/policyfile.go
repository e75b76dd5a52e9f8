package org

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/config"
)

// ParsePolicy reads a policy alone: what stands below "policy" in an
// organization's file. It starts from the preset that it names. The error holds
// everything that is wrong, by key and line.
func ParsePolicy(r io.Reader) (Policy, error) {
	parts, err := config.Read(r)
	if err != nil {
		return Policy{}, err
	}
	if len(parts) != 1 {
		return Policy{}, config.Faults{{Text: "expected one policy, as it stands below the key policy of an organization's file", Code: "one_policy"}}
	}
	part := parts[0]
	p, faults := startOf(part, "preset")
	name := p.Preset
	var unreadable config.Faults
	if err := part.Decode(&p); err != nil && !errors.As(err, &unreadable) {
		return Policy{}, err
	}
	p.Preset = name
	faults = append(faults, unreadable...)
	unread := keysIn(faults)
	c := &checker{}
	p.check(c)
	for _, wrong := range append(c.problems, p.forbidden()...) {
		key := strings.TrimPrefix(wrong.Key, "policy.")
		if unread[key] {
			continue
		}
		wrong.Key, wrong.Line = key, part.Line(keyPath(key)...)
		faults = append(faults, wrong.fault())
	}
	slices.SortStableFunc(faults, func(a, b config.Fault) int { return cmp.Compare(a.Line, b.Line) })
	if len(faults) > 0 {
		return Policy{}, faults
	}
	return p, nil
}

// startOf is the policy that one begins from, by the preset that it names at a path.
// Where there is no such preset that is said, and the rest is judged as if none were
// named: whoever wrote the file reads everything that is wrong at once.
func startOf(part config.Document, path ...string) (Policy, config.Faults) {
	if p, ok := PresetPolicy(cmp.Or(part.Text(path...), PresetKunci)); ok {
		return p, nil
	}
	return Defaults(), config.Faults{noPreset(strings.Join(path, "."), part.Line(path...))}
}

// keysIn are the keys that faults are about. What could not be read is not judged besides.
func keysIn(faults config.Faults) map[string]bool {
	keys := make(map[string]bool, len(faults))
	for _, f := range faults {
		keys[f.Key] = true
	}
	return keys
}

// Text is the policy as ParsePolicy reads it.
func (p Policy) Text() (string, error) {
	data, err := config.Encode(p)
	return string(data), err
}

// WithPolicy is the organization as it would be with another policy.
func (o *Organization) WithPolicy(p Policy) *Organization {
	with := *o
	with.Policy = p
	return &with
}
