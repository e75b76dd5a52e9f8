// Package i18n owns the languages of the product: the catalogues with every
// sentence people read, their plural forms (CLDR), and how dates and numbers
// are written.
//
// Catalogues are JSON, one folder a language and one file an area of the
// product (catalogues/id/reset.json), so that a translator sees one page's
// texts together. A sentence is looked up by key and never put together from
// pieces. Any room may use it; it knows none of them.
package i18n
