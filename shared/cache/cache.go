// Package cache keeps for a while what was read, and never more than fits.
package cache

import (
	"sync"
	"time"
)

// Cache keeps values by their keys. It is for many goroutines.
type Cache[K comparable, V any] struct {
	most int
	life time.Duration

	mu   sync.Mutex
	kept map[K]entry[V]
}

type entry[V any] struct {
	value V
	until time.Time
}

// New returns a cache of at most that many values, each fresh for life; 0: for
// ever.
func New[K comparable, V any](most int, life time.Duration) *Cache[K, V] {
	return &Cache[K, V]{most: most, life: life, kept: map[K]entry[V]{}}
}

// Get returns the value that was put last, also one that is not fresh any more;
// zero without one.
func (c *Cache[K, V]) Get(key K, now time.Time) (value V, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.kept[key]
	return e.value, ok && (c.life == 0 || now.Before(e.until))
}

// Put keeps a value from now on. A new key that does not fit makes room: all
// others go.
func (c *Cache[K, V]) Put(key K, value V, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.kept[key]; !known && len(c.kept) >= c.most {
		clear(c.kept)
	}
	c.kept[key] = entry[V]{value, now.Add(c.life)}
}

// Expire makes a value not fresh: what is newer is to be read.
func (c *Cache[K, V]) Expire(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.kept[key]; ok {
		e.until = time.Time{}
		c.kept[key] = e
	}
}

// Delete forgets a value.
func (c *Cache[K, V]) Delete(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, key)
}
