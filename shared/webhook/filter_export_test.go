package webhook

const MaxPrograms = maxPrograms

// KeptFilters returns how many filters are kept compiled.
func KeptFilters() int {
	filters.mu.Lock()
	defer filters.mu.Unlock()
	return len(filters.kept)
}
