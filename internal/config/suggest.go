package config

import (
	"maps"
	"slices"
	"strings"
)

// unknownKey says which keys there are: the closest one when the unknown key
// looks like a slip, else all of them.
func unknownKey(fields map[string]int, unknown string) Fault {
	names := slices.Sorted(maps.Keys(fields))
	best, bound := "", 3
	for _, name := range names {
		if d := distance(unknown, name, bound); d < bound {
			best, bound = name, d
		}
	}
	if best != "" {
		return Fault{Text: "this key is unknown; did you mean " + best + "?", Code: "key_like", Args: map[string]any{"name": best}}
	}
	all := strings.Join(names, ", ")
	return Fault{Text: "this key is unknown; there are " + all, Code: "key_unknown", Args: map[string]any{"names": all}}
}

// distance is the number of letters to change, add, drop or swap with their
// neighbour between two words, at most bound.
func distance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound || len(a) > 64 {
		return bound
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return min(rows[len(a)][len(b)], bound)
}
