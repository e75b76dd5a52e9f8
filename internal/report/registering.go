package report

import (
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
)

// Registering is what became of methods of one kind.
type Registering struct {
	Kind      method.Kind
	Added     int // by the people themselves, replaced ones not among them
	Entered   int // by administrators, account files and the directory
	Confirmed int // entered ones that their person proved
	Replaced  int
	Deleted   int // by anybody, those that ended by themselves too
	Restored  int // deleted ones that were brought back
}

// What events about methods say in their reason. Nothing but these three and the
// deletions tell of a method more or less, or of one that became its person's.
const (
	entered      = "administrator"
	fromFile     = "import"
	fromEntry    = "directory" // account.Settle
	confirmed    = "confirmed"
	restored     = "undone"
	activated    = "token_activated" // a token by its person
	nothingToSay = ""
)

// add counts an event about a method; others count as nothing.
func (r *Registering) add(k key, n int) {
	if k.outcome != audit.Success {
		return
	}
	switch k.kind {
	case audit.MethodAdded:
		switch k.reason {
		case nothingToSay, activated:
			r.Added += n
		case entered, fromFile, fromEntry:
			r.Entered += n
		case restored:
			r.Restored += n
		}
	case audit.MethodChanged:
		switch k.reason {
		case nothingToSay, entered, fromFile:
			r.Replaced += n
		case confirmed:
			r.Confirmed += n
		}
	case audit.MethodDeleted:
		if k.reason != "made-final" { // it was deleted before
			r.Deleted += n
		}
	}
}

// Any tells whether anything happened.
func (r Registering) Any() bool { return r != Registering{Kind: r.Kind} }

// Asked is what people did who were asked to register.
type Asked struct {
	Completed   int // became able to reset
	Skipped     int // put it off once
	Reconfirmed int // said that their methods are still right
}

func (a *Asked) add(k key, n int) {
	switch k.kind {
	case audit.RegistrationCompleted:
		a.Completed += n
	case audit.RegistrationSkipped:
		a.Skipped += n
	case audit.RegistrationReconfirmed:
		a.Reconfirmed += n
	}
}
