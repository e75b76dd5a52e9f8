// Package wording owns what an organization may write into the product's
// messages: which messages there are, the closed set of variables of each, and
// the judgement of a text. It renders nothing of its own: notify puts a text in
// the place of the product's sentence and keeps everything around it.
//
// It promises:
//
//   - a text is words and variables, {{org}}; there is no other syntax, nothing is
//     called and nothing repeats (AC-116);
//   - what a message is for cannot be lost: a text without its code or its link is
//     refused by name;
//   - a text holds no address of its own, so no link of ours, and no code, can be
//     made part of somebody else's (AC-115, AC-122);
//   - a code is never in a subject.
package wording
