package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
	"portico/shared/clock"
	"portico/shared/id"
)

// request is what is sent many times.
type request struct {
	what, method, path, body string
	status                   int
}

const readPath = "/v1/webhook-endpoints"

// measureRequests measures what an entry adds to requests through the API: to a change,
// to a read and to a refused attempt.
func (b *bed) measureRequests(ctx context.Context) error {
	read := request{"GET " + readPath + ", not recorded", http.MethodGet, readPath, "", http.StatusOK}
	for _, r := range []request{
		{"PATCH /v1/organization, with its entry", http.MethodPatch, "/v1/organization", `{"name":"Audited"}`, http.StatusOK}, read,
	} {
		if err := b.measureRequest(ctx, b.key, r); err != nil {
			return err
		}
	}
	if err := b.recordReads(ctx, true); err != nil {
		return err
	}
	read.what = "… recorded (record_reads)"
	if err := b.measureRequest(ctx, b.key, read); err != nil {
		return err
	}
	if err := b.recordReads(ctx, false); err != nil {
		return err
	}
	return b.measureRefused(ctx)
}

func (b *bed) requests() int {
	if b.Short {
		return 50
	}
	return 500
}

func (b *bed) measureRequest(ctx context.Context, key string, r request) error {
	took, used, err := b.repeat(ctx, key, b.requests(), r)
	if err != nil {
		return err
	}
	b.addRequest(r.what, took, used.Per(len(took)))
	return nil
}

func (b *bed) addRequest(what string, took []time.Duration, one cost.Work) {
	b.Add(what, "", budget.None, "%s; WAL %.0f bytes, %.1f commits", budget.Percentiles(took), one[cost.Bytes], one[cost.Commits])
}

// recordReads changes the setting, and waits until the functions notice it.
func (b *bed) recordReads(ctx context.Context, on bool) error {
	if err := b.call(ctx, http.MethodPatch, "/v1/organization", fmt.Sprintf(`{"settings":{"record_reads":%t}}`, on)); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for {
		before, err := b.countReads(ctx)
		if err != nil {
			return err
		}
		if err := b.call(ctx, http.MethodGet, readPath, ""); err != nil {
			return err
		}
		after, err := b.countReads(ctx)
		if err != nil || after > before == on {
			return err
		}
		if err := clock.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func (b *bed) countReads(ctx context.Context) (n int, err error) {
	err = b.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entry WHERE org_id = $1 AND action = 'webhook_endpoint.read'`, b.org.UUID).Scan(&n)
	return n, err
}

// refusalsKept is how many refused attempts of an actor and a minute have an entry each.
const refusalsKept = 10

// measureRefused measures attempts that have an entry of their own, each ten of another
// key, and those that are only counted.
func (b *bed) measureRefused(ctx context.Context) error {
	r := request{"", http.MethodGet, readPath + "/" + id.New[id.WebhookEndpoint](time.Now()).String(), "", http.StatusNotFound}
	var took []time.Duration
	var used cost.Work
	last := ""
	for range b.requests() / refusalsKept {
		key, err := b.newKey(ctx)
		if err != nil {
			return err
		}
		list, work, err := b.repeat(ctx, key, refusalsKept, r)
		if err != nil {
			return err
		}
		took, used, last = append(took, list...), used.Plus(work, 1), key
	}
	b.addRequest("a refused attempt with its entry", took, used.Per(len(took)))
	r.what = "a refused attempt that is only counted"
	return b.measureRequest(ctx, last, r)
}

func (b *bed) newKey(ctx context.Context) (string, error) {
	status, reply, err := b.Call(ctx, b.key, http.MethodPost, "/v1/api-keys", []byte(`{"name":"refused","permissions":["webhook_endpoints:read"]}`))
	var made struct{ Key string }
	if err != nil || status != http.StatusCreated || json.Unmarshal(reply, &made) != nil {
		return "", fmt.Errorf("POST /v1/api-keys: %d %s %w", status, reply, err)
	}
	return made.Key, nil
}

// repeat sends a request n times. What it returns is the work of all.
func (b *bed) repeat(ctx context.Context, key string, n int, r request) (took []time.Duration, used cost.Work, err error) {
	mark, err := b.Meter.Begin(ctx)
	if err != nil {
		return nil, used, err
	}
	for range n {
		begin := time.Now()
		status, reply, err := b.Call(ctx, key, r.method, r.path, []byte(r.body))
		if err != nil || status != r.status {
			return nil, used, fmt.Errorf("%s %s: %d %s %w", r.method, r.path, status, reply, err)
		}
		took = append(took, time.Since(begin))
	}
	mark.Stop()
	used, err = b.Meter.Finish(ctx, mark)
	return took, used, err
}
