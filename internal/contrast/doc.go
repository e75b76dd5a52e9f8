// Package contrast owns which colors can be read on Kunci's pages: the grounds
// that pages have, light and dark, the contrast of a color on them (WCAG 2.2,
// 1.4.3), and the shades in which an organization's color is shown.
//
// It promises that what ShadesOf and Style give can be read on every ground,
// whatever color they were asked for.
package contrast
