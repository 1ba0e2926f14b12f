package command

import (
	"github.com/spf13/cobra"
)

const (
	auditPath = "/v1/audit-log"
	entryID   = "the entry's id, aud_…"
	sampleAUD = "aud_01jdf3z9k2e4nv6xq8r0s1t2v3"
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
