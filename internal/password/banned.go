package password

import (
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// needed is the score a password must reach: one point for each banned term in
// it and one for each character that belongs to none.
const needed = 5

// minFuzzy is the shortest term that is also found with one edit.
const minFuzzy = 4

// term is a banned term, folded.
type term struct {
	text  []rune
	fuzzy bool
}

// fold takes away what people change to get past a rule: case and look-alikes.
// Terms and passwords are folded alike, so i, l, 1, ! and | are one letter.
func fold(s string) []rune {
	folded := make([]rune, 0, len(s))
	for _, r := range s {
		folded = append(folded, alike(unicode.ToLower(r)))
	}
	return folded
}

func alike(r rune) rune {
	switch r {
	case '0':
		return 'o'
	case '1', '!', '|', 'i':
		return 'l'
	case '$', '5':
		return 's'
	case '@', '4':
		return 'a'
	case '3', '€':
		return 'e'
	case '7', '+':
		return 't'
	case '8':
		return 'b'
	}
	return r
}

// termsOf joins the organization's terms with those banned everywhere.
func termsOf(own []string) []term {
	return append(folded(own, true), everywhere()...)
}

// everywhere are the terms banned for everyone.
var everywhere = sync.OnceValue(func() []term {
	return append(folded(commonTerms, true), folded(exactTerms, false)...)
})

func folded(texts []string, fuzzy bool) []term {
	terms := make([]term, 0, len(texts))
	for _, s := range texts {
		if t := fold(norm.NFKC.String(s)); len(t) > 0 {
			terms = append(terms, term{t, fuzzy && len(t) >= minFuzzy})
		}
	}
	return terms
}

// reaches tells whether a password scores enough. A repetition counts once, and
// so does a walk over the keyboard.
func reaches(pw string, terms []term) bool {
	lower := make([]rune, 0, len(pw))
	for _, r := range pw {
		lower = append(lower, unicode.ToLower(r))
	}
	lower = unit(lower)
	plain, walks := fold(string(lower)), runs(lower)
	longest := 0
	for _, t := range terms {
		longest = max(longest, len(t.text))
	}
	for _, n := range walks {
		longest = max(longest, n)
	}
	// No match covers more than a term and one inserted character, so a long
	// password reaches the score whatever it is made of.
	if len(plain) > (needed-1)*(longest+1) {
		return true
	}
	return score(plain, terms, walks) >= needed
}

// score gives the lowest number of points over all ways to cover the password
// with terms, walks and single characters. Where terms overlap or one is part of
// another, the covering that leaves least counts: nobody gains by it.
func score(plain []rune, terms []term, walks []int) int {
	best := make([]int, len(plain)+1)
	for i := range best {
		best[i] = i
	}
	for at := range plain {
		best[at+1] = min(best[at+1], best[at]+1)
		for n := leastRun; at < len(walks) && n <= walks[at]; n++ {
			best[at+n] = min(best[at+n], best[at]+1)
		}
		for _, t := range terms {
			lengths, n := matches(plain[at:], t)
			for _, length := range lengths[:n] {
				best[at+length] = min(best[at+length], best[at]+1)
			}
		}
	}
	return best[len(plain)]
}

// matches gives the lengths at which s begins with the term, written exactly or
// with one edit: a character replaced, left out, or put in between. One put
// before or after the term is no edit of it but a character of its own, else
// every term would swallow its neighbour and a term followed by a good rest
// would score less than the rest deserves.
func matches(s []rune, t term) (lengths [3]int, n int) {
	add := func(length int) {
		if length > 0 {
			lengths[n] = length
			n++
		}
	}
	same := 0
	for same < len(t.text) && same < len(s) && s[same] == t.text[same] {
		same++
	}
	size := len(t.text)
	if same == size {
		add(size)
		if t.fuzzy {
			add(size - 1) // the last one left out
		}
		return lengths, n
	}
	if !t.fuzzy {
		return lengths, n
	}
	// An edit, if only one is needed, is where the texts first differ.
	if begins(s[min(same+1, len(s)):], t.text[same+1:]) && len(s) >= size {
		add(size)
	}
	if begins(s[same:], t.text[same+1:]) {
		add(size - 1)
	}
	if same > 0 && same < len(s) && begins(s[same+1:], t.text[same:]) {
		add(size + 1)
	}
	return lengths, n
}

func begins(s, with []rune) bool {
	if len(s) < len(with) {
		return false
	}
	for i, r := range with {
		if s[i] != r {
			return false
		}
	}
	return true
}
