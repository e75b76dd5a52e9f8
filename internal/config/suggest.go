package config

import (
	"maps"
	"slices"
	"strings"
)

// expectedKeys says which keys there are: the closest one when the unknown key
// looks like a slip, else all of them.
func expectedKeys(fields map[string]int, unknown string) string {
	names := slices.Sorted(maps.Keys(fields))
	best, bound := "", 3
	for _, name := range names {
		if d := distance(unknown, name, bound); d < bound {
			best, bound = name, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "there are " + strings.Join(names, ", ")
}

// distance is the number of letters to change, add or drop between two words,
// at most bound.
func distance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound || len(a) > 64 {
		return bound
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return min(row[len(b)], bound)
}
