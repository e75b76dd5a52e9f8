package reset

import "time"

// Lease is how long a dead attempt to write keeps others out.
const Lease = lease

// Hurry shortens the times of an attempt to write.
func Hurry(s *Service, pulse, silence, twin time.Duration) {
	s.pulse, s.silence, s.twin = pulse, silence, twin
}
