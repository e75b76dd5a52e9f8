// Package notify owns the messages that leave the product: what they say in
// each language, the queue they wait in, and the mail server they are handed to.
//
// Queue writes a message and its job in the caller's transaction: what was
// recorded is mailed, and what was rolled back is not. The recipient and the
// body are sealed while they wait and wiped when the message is done. A
// message is queued once per key, and keeps its Message-ID over every try, so
// that a try whose outcome nobody knows can be repeated safely.
//
//	queued ──> sent      handed to the server
//	   │─────> expired   not before its ExpiresAt: a code nobody can use any more
//	   └─────> failed    refused for good, or given up after the last try; logged
//
// No subject and no header ever holds a code. Bodies are made of catalogue
// sentences and of values from closed or cleaned sets; text that a stranger
// typed stands alone, without anything a mail program would turn into a link.
//
// The rooms that act on accounts call Queue; app builds the Sender.
package notify
