package filter

const MaxPrograms = maxPrograms

// Kept returns how many filters are kept compiled.
func Kept() int {
	filters.mu.Lock()
	defer filters.mu.Unlock()
	return len(filters.kept)
}
