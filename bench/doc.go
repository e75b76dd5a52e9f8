// Package bench measures the numbers this product is held to. Nothing here
// fails for being slow: machines differ, so read ratios of one run.
//
//	make bench
package bench
