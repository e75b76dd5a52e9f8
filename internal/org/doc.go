// Package org owns organizations: their names, domains, administrators,
// directory and support settings, and their policy, with its presets and
// checks. An organization is described by a document (a YAML file, or what the
// console and the API send); there is one way in for all of them, Apply and
// SetPolicy, and every change is recorded with the difference it made.
//
// It knows nothing of people beyond the user IDs of administrators. Rooms
// above read an *Organization and never change one.
package org
