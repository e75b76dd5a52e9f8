package app

import "kunci.dev/kunci/internal/password/breach"

// openBreached opens the filter that the configuration names. Without one,
// nothing is said about breaches; one that cannot be used stops the start.
func (a *App) openBreached() error {
	if a.Config.Breach.Filter == "" {
		return nil
	}
	w, err := breach.Watch(a.Config.Breach.Filter, a.Log, a.options.clock())
	if err != nil {
		return err
	}
	a.Breached, a.closers = w, append(a.closers, w.Close)
	return nil
}

// breached reads the whole filter, which a start does not.
func (d *doctor) breached() {
	path := d.c.Breach.Filter
	if path == "" {
		return
	}
	const mend = "build it again with: kunci breach build, or leave the key breach.filter empty"
	f, err := breach.Open(path)
	if err != nil {
		d.unsafe = true
		d.bad("breach", mend, "%v", err)
		return
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := f.Verify(); err != nil {
		d.bad("breach", mend, "the filter of breached passwords %s: %v", path, err)
		return
	}
	d.good("breach", "%s knows %d breached passwords", path, f.Passwords())
}
