package account

import "time"

// SetWall replaces what measures how long a run goes on.
func (s *Service) SetWall(now func() time.Time) { s.wall = now }
