package limits

import (
	"context"
	"crypto/rand"
	"fmt"
	random "math/rand/v2"
	"time"

	"portico/shared/limit"
)

// loaded is what requests of one key cost with a stage's limits.
type loaded struct {
	environments      int
	load              float64 // times the limit of the key
	requests, allowed int
	keys, orgs        calls
}

// per returns how many of some calls there were per request.
func (l loaded) per(n int64) float64 { return float64(n) / float64(l.requests) }

// simulated is how long a load lasts.
const simulated = 10 * time.Second

// measureLoads measures a key with the stage's limits, in a time that moves ahead only
// from one request to the next.
func (b *bed) measureLoads(ctx context.Context) (list []loaded, err error) {
	for _, environments := range []int{1, 20} {
		for _, load := range []float64{0.1, 0.5, 1.5, 10} {
			b.Progress("limits: %g times the limit, %d environment(s) …", load, environments)
			l, err := b.measureLoad(ctx, environments, load)
			if err != nil {
				return nil, err
			}
			list = append(list, l)
		}
	}
	return list, nil
}

func (b *bed) measureLoad(ctx context.Context, environments int, load float64) (l loaded, err error) {
	now, key := time.Now(), rand.Text()
	all := make([]*patient, environments)
	for i := range all {
		all[i] = b.patient(environments, func() time.Time { return now })
	}
	requests, _ := b.stage.Named("requests")
	perSecond := float64(requests.Limit) * load
	l = loaded{environments: environments, load: load, requests: int(perSecond * simulated.Seconds())}
	choice := random.New(random.NewPCG(1, uint64(environments))) //nolint:gosec // which environment gets a request
	for range l.requests {
		now = now.Add(time.Duration(float64(time.Second) / perSecond))
		p := all[choice.IntN(environments)]
		before := b.asked.calls()
		d, err := p.takeKey(ctx, "key_"+key, now)
		if err != nil {
			return l, err
		}
		after := b.asked.calls()
		l.keys.add(after.since(before))
		if d.Allowed() {
			l.allowed++
			if d, _, err = p.organizations.Take(ctx, "org_"+key, once, false); err != nil || !d.Allowed() {
				return l, fmt.Errorf("the organization of one key was refused: %v %w", d.Denied(), err)
			}
			l.orgs.add(b.asked.calls().since(after))
		}
	}
	return l, nil
}

// patient counts like an environment, but waits for DynamoDB as long as it takes.
type patient struct {
	keys, organizations *limit.Items
	read                time.Time // when the key's item was read
}

func (b *bed) patient(environments int, now func() time.Time) *patient {
	settings := limit.Settings{Policies: b.stage, Environments: environments, Budget: time.Minute}
	items := func(s limit.Scope) *limit.Items {
		return &limit.Items{Settings: settings.Of(s), Table: b.counters, Expires: true, Now: now}
	}
	return &patient{keys: items(limit.ByKey), organizations: items(limit.ByOrganization)}
}

// keyCached is how long an environment uses a key without reading it again, see
// package apikey.
const keyCached = 5 * time.Second

func (p *patient) takeKey(ctx context.Context, key string, now time.Time) (limit.Decision, error) {
	d, item, err := p.keys.Take(ctx, key, once, now.Sub(p.read) >= keyCached)
	if item != nil {
		p.read = now
	}
	return d, err
}
