// Package app builds every room in order, serves, and stops cleanly. It is the
// only room that knows all others, and it holds no rule of the product.
package app
