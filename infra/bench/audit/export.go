package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
	"portico/shared/audit/chain"
	"portico/shared/audit/record"
	"portico/shared/clock"
)

// measureExport exports a million entries in both formats, and verifies the file.
func (b *bed) measureExport(ctx context.Context) error {
	entries := 1_000_000
	if b.Short {
		entries = 50_000
	}
	var there int
	if err := b.DB.QueryRow(ctx, `SELECT count(*) FROM audit_chain WHERE org_id = $1`, b.org.UUID).Scan(&there); err != nil {
		return err
	}
	b.Progress("filling the log up to %d entries …", entries)
	if err := b.write(ctx, entries-there); err != nil {
		return err
	}
	if err := b.chainAll(ctx, &chain.Sequencer{}); err != nil {
		return err
	}
	for _, format := range []string{"ndjson", "csv"} {
		if err := b.measureFormat(ctx, format); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) measureFormat(ctx context.Context, format string) error {
	b.Progress("exporting as %s …", format)
	mark, err := b.Meter.Begin(ctx)
	if err != nil {
		return err
	}
	done, err := b.export(ctx, format)
	if err != nil {
		return err
	}
	mark.Stop()
	used, err := b.Meter.Finish(ctx, mark)
	if err != nil {
		return err
	}
	b.Add("an export of "+fmt.Sprint(done.Entries)+" entries as "+format, "", budget.None, "%.1f s (%.0f/s), %.0f MB; CPU: functions %.1f s, Postgres %.1f s",
		mark.Took.Seconds(), float64(done.Entries)/mark.Took.Seconds(), float64(done.Size)/1e6, used[cost.Functions], used[cost.Postgres])
	if format != "ndjson" {
		return nil
	}
	return b.measureVerify(ctx, done)
}

// exported is an export as the API shows it.
type exported struct {
	ID, Status, URL string
	Entries         int64 `json:"entry_count"`
	Size            int64
}

// export starts an export and waits for its end.
func (b *bed) export(ctx context.Context, format string) (e exported, err error) {
	if err := b.post(ctx, "/v1/audit-exports", `{"format":"`+format+`"}`, &e); err != nil {
		return e, err
	}
	for e.Status == "running" {
		if err := clock.Sleep(ctx, 200*time.Millisecond); err != nil {
			return e, err
		}
		status, reply, err := b.Call(ctx, b.key, http.MethodGet, "/v1/audit-exports/"+e.ID, nil)
		if err != nil || status != http.StatusOK || json.Unmarshal(reply, &e) != nil {
			return e, fmt.Errorf("GET /v1/audit-exports/%s: %d %s %w", e.ID, status, reply, err)
		}
	}
	if e.Status != "succeeded" {
		return e, fmt.Errorf("the export is %s", e.Status)
	}
	return e, nil
}

// measureVerify verifies a file as `portico audit verify` does.
func (b *bed) measureVerify(ctx context.Context, e exported) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("the export's file: %d %s", res.StatusCode, text)
	}
	begin := time.Now()
	report, err := record.Verify(res.Body, record.Options{From: 1})
	if err != nil {
		return err
	}
	if report.Fault != nil {
		return fmt.Errorf("the export does not verify: %+v", report.Fault)
	}
	b.Add("… downloaded and verified", "", budget.None, "%.1f s for %d entries", time.Since(begin).Seconds(), report.Verified)
	return nil
}

// post sends a request that creates something.
func (b *bed) post(ctx context.Context, path, body string, made any) error {
	status, reply, err := b.Call(ctx, b.key, http.MethodPost, path, []byte(body))
	if err != nil || status != http.StatusCreated || json.Unmarshal(reply, made) != nil {
		return fmt.Errorf("POST %s: %d %s %w", path, status, reply, err)
	}
	return nil
}
