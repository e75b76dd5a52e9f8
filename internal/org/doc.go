// Package org owns organizations: their names, domains, administrators,
// directory and support settings, and their policy, with its presets and
// checks. An organization is described by a document (a YAML file, or what the
// console and the API send); there is one way in for all of them, Apply and
// SetPolicy, and every change is recorded with the difference it made.
//
// It promises:
//
//   - a document is taken whole or refused with everything that is wrong, by key
//     and line; applying it again changes nothing;
//   - of two changes to one version one is stored, the other is told (Conflict);
//   - a domain belongs to one organization, and an organization that has an
//     owner keeps one;
//   - a logo is a picture: an SVG that could run a script or load something is
//     refused. Whoever serves one adds a Content-Security-Policy of its own all
//     the same.
//
// It knows nothing of people beyond the user IDs of administrators. Rooms
// above read an *Organization and never change one.
package org
