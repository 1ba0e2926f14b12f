// Package cache keeps values in memory for some time, up to a number of values.
package cache

import (
	"sync"
	"time"
)

// Cache keeps values by their keys. It is safe for concurrent use.
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

// New returns a cache of at most that many values. Each is fresh for the duration
// life, or always if life is 0.
func New[K comparable, V any](most int, life time.Duration) *Cache[K, V] {
	return &Cache[K, V]{most: most, life: life, kept: map[K]entry[V]{}}
}

// Get returns the value that was put last, even if it is no longer fresh, or the
// zero value if there is none.
func (c *Cache[K, V]) Get(key K, now time.Time) (value V, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.kept[key]
	return e.value, ok && (c.life == 0 || now.Before(e.until))
}

// Put stores a value, which is fresh from now. If the cache is full and the key is
// new, Put first removes all other values.
func (c *Cache[K, V]) Put(key K, value V, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.kept[key]; !known && len(c.kept) >= c.most {
		clear(c.kept)
	}
	c.kept[key] = entry[V]{value, now.Add(c.life)}
}

// Expire makes a value no longer fresh, so that a newer one is read.
func (c *Cache[K, V]) Expire(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.kept[key]; ok {
		e.until = time.Time{}
		c.kept[key] = e
	}
}

// Delete removes a value.
func (c *Cache[K, V]) Delete(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, key)
}
