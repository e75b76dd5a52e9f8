// Package bench measures the numbers this product is held to. Nothing here
// fails for being slow: machines differ, so read ratios of one run. docs/numbers.md
// has the command for each and what was seen.
//
//	make bench
package bench
