// Package webhook owns where an organization's events are sent: signed as Standard
// Webhooks says, in the order of the audit log.
//
// It promises:
//
//   - an event is sent at least once, and one after another: a place in the log is
//     kept for each receiver and moves on when the receiver has answered with 2xx.
//     Whoever gets an event twice knows it by webhook-id, which is the event's;
//   - a receiver that fails is asked again with growing pauses, up to an hour. An
//     event that it refuses for long enough is set aside (a dead letter), and the
//     next one follows; what was set aside is tried again by itself for a day, then
//     waits for somebody who sends it again or gives it up. It is a place in the log: what is sent
//     is read from there each time, so that who was erased stays erased;
//   - a receiver to which nothing goes through for five days, or which answers 410,
//     is paused, and the owners are told by mail. What happens meanwhile waits;
//   - nothing is lost: place, set-aside events, notice and record change together;
//   - nothing is sent to an address that is not public: it is judged when the
//     connection is made, after the name was resolved. The operator may allow
//     networks for one receiver. Redirects are not followed, and no proxy is asked;
//   - what identifies people is left out unless that was asked for;
//   - address and secret are sealed, and neither is logged nor shown again.
//
// What a receiver is:
//
//	live ──(5 days, 410, an administrator)──> paused ──(resumed, a test that arrives)──> live
//
// The console, the API and the command line manage receivers, after they have
// checked who asks. Only the command line allows networks that are not public.
package webhook
