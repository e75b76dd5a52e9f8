// Package config owns the files that operators write: how they are read
// (strictly: an unknown key or a wrong type is refused with its key, its line
// and what was expected, all faults at once), and the settings of a node, from
// its file and its environment.
//
// It knows no room. Organization files are read with Decode by room org.
package config
