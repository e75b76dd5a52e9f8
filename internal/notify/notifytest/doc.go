// Package notifytest gives tests a real mail server on loopback that keeps what
// it is sent, and misbehaves on request. Tests only.
package notifytest
