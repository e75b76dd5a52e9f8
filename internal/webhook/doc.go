// Package webhook owns where an organization's events are sent: signed as Standard
// Webhooks says, in the order of the audit log.
//
// It promises:
//
//   - an event is sent at least once, and one after another: a place in the log is
//     kept for each receiver and moves on when the receiver has answered with 2xx.
//     Whoever gets an event twice knows it by webhook-id, which is the event's;
//   - a receiver that fails is asked again with growing pauses, up to an hour, and
//     switched off, visibly, after three days, or at once when it answers 410;
//   - nothing is sent to an address that is not public: it is judged when the
//     connection is made, after the name was resolved. The operator may allow
//     networks for one receiver. Redirects are not followed, and no proxy is asked;
//   - what identifies people is left out unless the operator asked for it;
//   - address and secret are sealed, and neither is logged nor shown again.
//
// The command line adds and removes receivers; the console shows them.
package webhook
