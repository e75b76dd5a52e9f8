package password

import (
	"slices"
	"unicode"
)

// Passwords that are long and common are mostly made by a rule: a word again
// and again, a walk over the keyboard, the alphabet. No list has to hold them.
// A repetition counts as what is repeated, and a straight walk of three keys or
// more as one point, like a banned term.

// longestRepeated bounds what is looked at for repetitions: longer ones are in no
// list, and somebody who types a sentence five times has typed enough.
const longestRepeated = 24

// leastRun is the shortest walk that counts as one: two neighbours are in every
// other word.
const leastRun = 3

// rows of the keyboard that the walks go over; a key's neighbours stand one row
// up or down at the same place, or one to the left or right of it. With Shift the
// digits are signs, at the same place.
var (
	rows    = []string{"1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"}
	shifted = "!@#$%^&*()_+"
)

type place struct{ row, column int }

var places = func() map[rune]place {
	all := make(map[rune]place)
	for row, keys := range rows {
		for column, key := range keys {
			all[key] = place{row, column}
		}
	}
	for column, key := range shifted {
		all[key] = place{0, column}
	}
	return all
}()

// step is how one gets from a character to the next; ok is false when they are
// no neighbours.
type step struct {
	alphabet    int
	row, column int
}

func alphabetStep(a, b rune) (step, bool) {
	d := int(b) - int(a)
	alike := 'a' <= min(a, b) && max(a, b) <= 'z' || '0' <= min(a, b) && max(a, b) <= '9'
	return step{alphabet: d}, a < unicode.MaxASCII && (d == 0 || alike && (d == 1 || d == -1))
}

func keyboardStep(a, b rune) (step, bool) {
	from, here := places[a]
	to, there := places[b]
	row, column := to.row-from.row, to.column-from.column
	near := row >= -1 && row <= 1 && column >= -1 && column <= 1
	return step{row: row, column: column}, here && there && near && (row != 0 || column != 0)
}

// runs gives for each character how many follow each other from it on in one
// direction: along the alphabet, the digits or the keyboard, or the same again.
func runs(s []rune) []int {
	longest := make([]int, len(s))
	for _, between := range []func(a, b rune) (step, bool){alphabetStep, keyboardStep} {
		for at := range s {
			n := 1
			var way step
			for ; at+n < len(s); n++ {
				next, near := between(s[at+n-1], s[at+n])
				if !near || n > 1 && next != way {
					break
				}
				way = next
			}
			longest[at] = max(longest[at], n)
		}
	}
	return longest
}

// unit is what s repeats: "ab" of "ababab" and of "ababa"; s itself when it
// repeats nothing twice. Only what an English keyboard has is looked at: of other
// scripts no list says what is common.
func unit(s []rune) []rune {
	if len(s) > longestRepeated || slices.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
		return s
	}
	for size := 1; size <= len(s)/2; size++ {
		same := 0
		for same < len(s)-size && s[same] == s[same+size] {
			same++
		}
		if same == len(s)-size {
			return s[:size]
		}
	}
	return s
}
