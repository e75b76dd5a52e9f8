// Package e2e walks the product's journeys in a real Chromium: at a phone's
// width and wide, with scripts and without, in every language, and runs the
// WCAG 2.2 AA rules of axe-core on every page it passes.
//
// It needs Chromium and axe-core; "make parts" brings both. A missing part
// fails the test with that command.
package e2e
