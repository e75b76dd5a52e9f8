// Package help is the help for people: a list of articles, each article in
// every language, and the form that asks whether it helped.
//
// An article is one file for each language, articles/<language>/<name>.html,
// and its heading stands in the catalogue as "help.<name>.title". It is a
// template of the reader's organization and its support contact; tests hold it
// to headings, lists and links to our own pages, and each language to the same
// links. A new article is the two files, the heading, and its name in sections.
package help
