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
	name := cmp.Or(part.Text("preset"), PresetKunci)
	p, ok := PresetPolicy(name)
	if !ok {
		return Policy{}, config.Faults{noPreset("preset", part.Line("preset"))}
	}
	var faults config.Faults
	if err := part.Decode(&p); err != nil && !errors.As(err, &faults) {
		return Policy{}, err
	}
	p.Preset = name
	if len(faults) > 0 {
		return Policy{}, faults // what could not be read is not judged besides
	}
	c := &checker{}
	p.check(c)
	for _, wrong := range append(c.problems, p.forbidden()...) {
		key := strings.TrimPrefix(wrong.Key, "policy.")
		wrong.Key, wrong.Line = key, part.Line(keyPath(key)...)
		faults = append(faults, wrong.fault())
	}
	slices.SortStableFunc(faults, func(a, b config.Fault) int { return cmp.Compare(a.Line, b.Line) })
	if len(faults) > 0 {
		return Policy{}, faults
	}
	return p, nil
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
