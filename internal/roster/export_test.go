package roster

// Finish waits for the passes that Run began.
func (s *Service) Finish() { s.wait.Wait() }
