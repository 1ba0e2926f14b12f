package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/download"
)

const (
	auditPath   = "/v1/audit-log"
	exportsPath = "/v1/audit-exports"
	entryID     = "the entry's id, aud_…"
	sampleAUD   = "aud_01jdf3z9k2e4nv6xq8r0s1t2v3"
	sampleAEX   = "aex_01jdf3z9k2e4nv6xq8r0s1t2v3"
	// lookAtMost is how long export waits at most until it asks again how far it is.
	lookAtMost = 15 * time.Second
)

func (a *app) audit() *cobra.Command {
	return group("audit", "The audit log: who changed what, and whether the log was forged",
		a.lists("List entries of the audit log, the newest first", "portico audit list --q ada@example.com --since 24h", auditPath, "entries",
			[]column{
				{"ID", "id"}, {"TIME", "created_at"}, {"ACTION", "action"}, {"OUTCOME", "outcome"}, {"ACTOR", "actor.name"}, {"ACTOR ID", "actor.id"}, {"FROM", "source_ip"},
			},
			append(entryFilters(), between("entries")...)...,
		),
		a.gets("get ID", "Show an entry with before, after and its place in the chain", "portico audit get "+sampleAUD, auditPath+"/%s", entryID),
		a.tail(),
		a.exportLog(),
		a.verifyFile(),
	)
}

// entryFilters choose entries of the audit log.
func entryFilters() []filter {
	return []filter{
		{flag: "q", parameter: "q", usage: "only entries with these words, such as a name or a mail address"},
		{flag: "action", parameter: "action", usage: "only this action, or those on a kind of object, such as webhook_endpoint.*"},
		{flag: "category", parameter: "category", usage: "only security, configuration, access or data", values: []string{"security", "configuration", "access", "data"}},
		{flag: "outcome", parameter: "outcome", usage: "only success or failure", values: []string{"success", "failure"}},
		{flag: "actor", parameter: "actor_id", usage: "only changes by this actor, such as key_…"},
		{flag: "target", parameter: "target_id", usage: "only changes to the object with this id"},
		{flag: "request", parameter: "request_id", usage: "only entries of this request"},
	}
}

const aboutExport = `Export the audit log, or a part of it, to a file on this machine.

It starts an export, waits until the file is written, and downloads it. After Ctrl-C
the export goes on; --id fetches its file later, until two days after it has ended.

The format ndjson has all that "portico audit verify" needs. csv is for spreadsheets.`

// exportFlags are the flags of export that are not conditions.
type exportFlags struct {
	to download.Target
	id string
}

func (a *app) exportLog() *cobra.Command {
	f := &exportFlags{to: download.Target{Out: a.Out}}
	var b *body
	cmd := a.mutation(a.command("export", "Download the audit log as a file",
		"portico audit export --since 720h --output audit.ndjson\nportico audit export --format csv --category security --output audit.csv\nportico audit export --id "+sampleAEX+" --output audit.ndjson", nil,
		func(cmd *cobra.Command, _ []string) error { return a.runExport(cmd, b, f) }))
	cmd.Long = aboutExport
	cmd.Flags().StringVar(&f.to.Name, "output", "", "the `file` to write, or - for the standard output")
	cmd.Flags().BoolVar(&f.to.Replace, "force", false, "replace the file if it exists")
	cmd.Flags().StringVar(&f.id, "id", "", "fetch the file of this export, which was started earlier")
	b = newBody(cmd)
	b.text("format", "format", "ndjson or csv (default ndjson)", "ndjson", "csv")
	for _, c := range append(entryFilters(), between("entries")...) {
		if c.is == moments {
			b.moment(c.flag, c.parameter, c.usage)
			continue
		}
		b.text(c.flag, c.parameter, c.usage, c.values...)
	}
	return cmd
}

func (a *app) runExport(cmd *cobra.Command, b *body, f *exportFlags) error {
	switch {
	case f.to.Name == "":
		return misuse(cmd, "give --output, the file to write")
	case f.to.Name == download.Stdout && a.json:
		return misuse(cmd, "--json and --output - would both use the standard output")
	case f.id != "" && b.given():
		return misuse(cmd, "--id fetches an export as it was started: give no format and no conditions")
	}
	if err := f.to.Check(); err != nil {
		return err
	}
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	request := client.Request{Method: http.MethodGet, Path: exportsPath + "/" + url.PathEscape(f.id)}
	if f.id == "" {
		if *b.whole == "" && !cmd.Flags().Changed("format") {
			_ = cmd.Flags().Set("format", "ndjson") // the flag exists
		}
		request = client.Request{Method: http.MethodPost, Path: exportsPath, IdempotencyKey: a.idempotencyKey}
		if request.Body, err = b.encode(a); err != nil {
			return err
		}
	}
	reply, err := c.Do(cmd.Context(), request)
	if err != nil {
		return err
	}
	return a.fetchExport(cmd.Context(), c, reply, f.to)
}

// errNoFile ends the error of an export that has no file and will have none.
var errNoFile = errors.New("start another export")

// fetchExport waits for the file of an export and downloads it. If it cannot, but the
// file is there or will be, it says how to fetch it later.
func (a *app) fetchExport(ctx context.Context, c *client.Client, reply []byte, to download.Target) error {
	id := cell(at(reply, "id"))
	a.say("The export is %s.", id)
	again := c.Again
	c.Again = func(reason string, wait time.Duration) {
		a.err.Progress("")
		again(reason, wait)
	}
	reply, err := a.awaitExport(ctx, c, exportsPath+"/"+url.PathEscape(id), reply)
	if err == nil {
		reply, err = a.downloadExport(ctx, c, exportsPath+"/"+url.PathEscape(id), reply, to)
	}
	switch {
	case err == nil && a.json:
		return a.document(reply)
	case err == nil:
		a.sayVerify(reply, to.Name)
	case !errors.Is(err, errNoFile):
		a.err.Line("To fetch the file later: portico audit export --id %s --output %s", id, to.Name)
	}
	return err
}

// say tells people, and not programs, what happens.
func (a *app) say(format string, args ...any) {
	if !a.json {
		a.err.Line(format, args...)
	}
}

// awaitExport waits until an export has ended. It asks ever less often.
func (a *app) awaitExport(ctx context.Context, c *client.Client, path string, reply []byte) ([]byte, error) {
	defer a.err.Progress("")
	told := ""
	for wait := pollEvery; cell(at(reply, "status")) == "running"; wait = min(2*wait, lookAtMost) {
		if problem := cell(at(reply, "problem")); problem != "-" && problem != told {
			told = problem
			a.err.Progress("")
			a.say("%s", problem)
		}
		if !a.json {
			a.err.Progress(progressOf(reply))
		}
		if err := a.Wait(ctx, wait); err != nil {
			return nil, err
		}
		var err error
		if reply, err = c.Do(ctx, client.Request{Method: http.MethodGet, Path: path}); err != nil {
			return nil, err
		}
	}
	switch status := cell(at(reply, "status")); status {
	case "succeeded":
		return reply, nil
	case "cancelled":
		return nil, fmt.Errorf("the export was cancelled, so there is no file: %w", errNoFile)
	default:
		return nil, fmt.Errorf("the export has failed for good (%s): %s: %w", status, cell(at(reply, "problem")), errNoFile)
	}
}

func progressOf(export []byte) string {
	total := cell(at(export, "total_count"))
	if total == "-" {
		return "The export waits to begin."
	}
	return fmt.Sprintf("%s of %s entries", cell(at(export, "examined_count")), total)
}

// downloadExport downloads the file of an export that has ended. After a failure it asks
// for a new link, because one works for ten minutes only.
func (a *app) downloadExport(ctx context.Context, c *client.Client, path string, reply []byte, to download.Target) ([]byte, error) {
	for try := 0; ; try++ {
		var export struct {
			URL  *string
			Size int64
		}
		if err := json.Unmarshal(reply, &export); err != nil {
			return nil, fmt.Errorf("the API's reply is not an export: %w", err)
		}
		if export.URL == nil {
			return nil, fmt.Errorf("the file was deleted, two days after the export had ended: %w", errNoFile)
		}
		err := to.Fetch(ctx, *export.URL, export.Size)
		temporary := errors.Is(err, download.ErrCut) || errors.Is(err, download.ErrLink)
		if err == nil || !temporary || try >= a.retries {
			return reply, err
		}
		wait := client.Backoff(try)
		c.Again(err.Error(), wait)
		if err := a.Wait(ctx, wait); err != nil {
			return nil, err
		}
		if reply, err = c.Do(ctx, client.Request{Method: http.MethodGet, Path: path}); err != nil {
			return nil, err
		}
	}
}

// sayVerify says what the file is and how to verify it.
func (a *app) sayVerify(reply []byte, name string) {
	if name == download.Stdout {
		name = "FILE"
	}
	a.say("The file has %s entries, %s bytes.", cell(at(reply, "entry_count")), cell(at(reply, "size")))
	if cell(at(reply, "format")) != "ndjson" {
		a.say("Only files in the format ndjson can be verified.")
		return
	}
	verify := "portico audit verify " + name
	if first := cell(at(reply, "first_number")); first != "1" {
		verify += " --from " + first
	}
	if cell(at(reply, "filtered")) == "true" {
		verify += " --filtered"
	} else if head := at(reply, "head"); cell(head) != "-" {
		verify += " --head " + cell(at(head, "number")) + ":" + cell(at(head, "hash"))
	}
	a.say("To verify it without the API: %s", verify)
}
