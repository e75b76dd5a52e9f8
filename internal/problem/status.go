package problem

import "net/http"

// Status is the HTTP status of a refusal (RFC 9110, 15). What its page or operation
// understood and does not do is 422.
func (c Code) Status() int {
	switch c {
	case BadInput, CursorWrong:
		return http.StatusBadRequest
	case SignedOut:
		return http.StatusUnauthorized
	case Forbidden, CrossOrigin, UndoForbidden:
		return http.StatusForbidden
	case NotFound, UserUnknown:
		return http.StatusNotFound
	case WrongMethod:
		return http.StatusMethodNotAllowed
	case Conflict, IdempotencyRunning, IdempotencyLost, IdempotencyOnce:
		return http.StatusConflict
	case TooLong:
		return http.StatusRequestEntityTooLarge
	case WrongHost:
		return http.StatusMisdirectedRequest
	case Blocked, SendLimit, SignInLocked:
		return http.StatusTooManyRequests
	case Busy, StillWriting, Unavailable, DirectoryUnavailable, ProviderUnavailable:
		return http.StatusServiceUnavailable
	case Internal:
		return http.StatusInternalServerError
	}
	return http.StatusUnprocessableEntity
}
