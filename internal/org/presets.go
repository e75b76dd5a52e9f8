package org

import (
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/throttle"
)

// The presets. A key of the document overrides the preset's value; what a
// preset forbids is refused by name.
const (
	PresetKunci = "kunci"
	PresetEntra = "entra"     // Microsoft Entra's numbers
	PresetNIST  = "nist_aal2" // NIST SP 800-63B-4, recovery at AAL2
	PresetASVS  = "asvs"      // OWASP ASVS 5.0, level 2
)

// noPreset is said of a name that is none of them.
func noPreset(key string, line int) config.Fault {
	p := sentence(key, "one_of", "choices", strings.Join(Presets(), ", "))
	p.Line = line
	return p.fault()
}

// Presets lists the names.
func Presets() []string { return []string{PresetKunci, PresetEntra, PresetNIST, PresetASVS} }

// PresetPolicy gives the values a policy of this preset starts from; false when
// there is no such preset.
func PresetPolicy(name string) (Policy, bool) {
	p := Defaults()
	p.Preset = name
	switch name {
	case PresetKunci:
	case PresetEntra:
		p.Codes = CodePolicy{Digits: 6, Minutes: 5}
		p.Password = PasswordPolicy{MinLength: 8, MaxLength: 256, Classes: 3, History: 0, Breached: "refuse"}
		p.NewMethodWaitingHours, p.AfterResetHours = 0, 0
		p.TemporaryAccessPass = PassPolicy{Length: 8, DefaultMinutes: 60, MinMinutes: 60, MaxMinutes: 480}
		p.Throttle.Resets = throttle.Limit{Limit: 5, Per: time.Hour, Lock: day}
	case PresetNIST:
		p.Reset.Gates = 2
		p.Password.MinLength = 15 // SP 800-63B-4, 3.1.1.2: used alone
		p.Password.Classes = 0
	case PresetASVS:
		p.Reset.Gates = 2 // ASVS 6.4.3: a reset must not go around the second factor
		p.Password.MinLength = 12
	default:
		return Policy{}, false
	}
	return p, true
}

// forbidden gives the keys of p that its preset does not allow, each with the reason.
func (p Policy) forbidden() []Problem {
	var all []Problem
	refuse := func(key, code string, args ...any) { all = append(all, sentence("policy."+key, code, args...)) }
	questions := false
	for _, k := range p.Reset.Methods {
		questions = questions || k == method.SecurityQuestions
	}
	switch p.Preset {
	case PresetNIST:
		if questions {
			refuse("reset.methods", "preset_questions", "preset", p.Preset, "source", "SP 800-63B-4, 4.2")
		}
		if p.Reset.Gates < 2 {
			refuse("reset.gates", "preset_gates", "preset", p.Preset, "source", "SP 800-63B-4, 4.2.2.2")
		}
		if p.Password.MinLength < 15 {
			refuse("password.min_length", "preset_length", "preset", p.Preset, "source", "SP 800-63B-4, 3.1.1.2")
		}
		if p.Password.Classes > 0 {
			refuse("password.classes", "preset_classes", "preset", p.Preset, "source", "SP 800-63B-4, 3.1.1.2")
		}
		if p.Password.ExpiresAfterDays > 0 {
			refuse("password.expires_after_days", "preset_expiry", "preset", p.Preset, "source", "SP 800-63B-4, 3.1.1.2")
		}
	case PresetASVS:
		if questions {
			refuse("reset.methods", "preset_questions", "preset", p.Preset, "source", "ASVS 5.0, 6.4.2")
		}
		if p.Reset.Gates < 2 {
			refuse("reset.gates", "preset_gates", "preset", p.Preset, "source", "ASVS 5.0, 6.4.3")
		}
		if p.Password.Classes > 0 {
			refuse("password.classes", "preset_classes", "preset", p.Preset, "source", "ASVS 5.0, 6.2.5")
		}
		if p.Password.ExpiresAfterDays > 0 {
			refuse("password.expires_after_days", "preset_expiry", "preset", p.Preset, "source", "ASVS 5.0, 6.2.10")
		}
	}
	return all
}
