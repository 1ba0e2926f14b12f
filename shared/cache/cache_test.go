package cache_test

import (
	"sync"
	"testing"
	"time"

	"portico/shared/cache"
)

// A value is fresh for its life, or until it is expired or deleted. A value that is
// no longer fresh is still returned.
func TestLife(t *testing.T) {
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		life  time.Duration
		do    func(*cache.Cache[string, int])
		later time.Duration
		value int
		fresh bool
	}{
		{"at once", time.Second, nil, 0, 7, true},
		{"at its last moment", time.Second, nil, time.Second - 1, 7, true},
		{"at its end", time.Second, nil, time.Second, 7, false},
		{"without end", 0, nil, 1000 * time.Hour, 7, true},
		{"expired", time.Second, func(c *cache.Cache[string, int]) { c.Expire("a") }, 0, 7, false},
		{"deleted", time.Second, func(c *cache.Cache[string, int]) { c.Delete("a") }, 0, 0, false},
		{"put anew", time.Second, func(c *cache.Cache[string, int]) { c.Put("a", 8, start.Add(time.Second)) }, time.Second, 8, true},
		{"another is expired", time.Second, func(c *cache.Cache[string, int]) { c.Expire("b") }, 0, 7, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cache.New[string, int](10, tt.life)
			c.Put("a", 7, start)
			if tt.do != nil {
				tt.do(c)
			}
			if value, fresh := c.Get("a", start.Add(tt.later)); value != tt.value || fresh != tt.fresh {
				t.Errorf("%d, %v", value, fresh)
			}
			if value, fresh := c.Get("b", start); value != 0 || fresh {
				t.Errorf("a key without a value: %d, %v", value, fresh)
			}
		})
	}
}

// The cache never keeps more values than its bound, and always keeps the last one.
func TestBound(t *testing.T) {
	c, now := cache.New[int, int](3, time.Minute), time.Now()
	for i := range 100 {
		c.Put(i, i, now)
		c.Put(i, i, now) // a key that is already there needs no room
		kept := 0
		for k := range 100 {
			if _, fresh := c.Get(k, now); fresh {
				kept++
			}
		}
		if _, fresh := c.Get(i, now); !fresh || kept > 3 {
			t.Fatalf("after %d: %d are kept, the last %v", i, kept, fresh)
		}
	}
}

// Several goroutines may use a cache at the same time.
func TestConcurrent(t *testing.T) {
	c := cache.New[int, int](10, time.Minute)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			c.Put(i, i, time.Now())
			c.Get(i, time.Now())
			c.Expire(i)
			c.Delete(i)
		})
	}
	wg.Wait()
}
