package jobs

import (
	"context"
	"fmt"
	"time"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

const watchAPIKeysKind = "api_key.watch_expiry"

const aDay = 24 * time.Hour

// keyStages are the times before the end of a key at which members are told: when less
// than eight days are left, so seven whole days, and so on. A key that never lived
// longer than a stage has not that stage.
var keyStages = []time.Duration{2 * aDay, 8 * aDay}

// keysAtOnce bounds of how many keys one job tells.
const keysAtOnce = 100

// watchAPIKeys adds a job for each organization with keys that expire soon.
func (k Kinds) watchAPIKeys() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: watchAPIKeysKind, Queue: job.High, Platform: true,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}) error {
			list, err := apikey.OrganizationsOfExpiring(ctx, tx, keyStages[len(keyStages)-1])
			for _, org := range list {
				if _, err := job.Add(ctx, tx, org, k.tellOfAPIKeys(), struct{}{}, job.Options{Key: "api_keys"}); err != nil {
					return err
				}
			}
			return err
		}),
	}
}

// tellOfAPIKeys tells those who may change keys of the ones that expire soon, once for
// each stage.
func (k Kinds) tellOfAPIKeys() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: "api_key.tell_of_expiry", Queue: job.High, Unique: job.Waits,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, _ struct{}) error {
			keys, err := apikey.ExpireWithin(ctx, tx, j.Org, keyStages[len(keyStages)-1], keysAtOnce)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := k.tellOfAPIKey(ctx, tx, j.Org, key.APIKey); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (k Kinds) tellOfAPIKey(ctx context.Context, tx pg.Tx, org id.Org, key apikey.APIKey) error {
	now := k.Clock.Now()
	for _, stage := range keyStages {
		if key.ExpiresAt.Sub(now) > stage {
			continue
		}
		if key.ExpiresAt.Sub(key.CreatedAt) <= stage {
			return nil
		}
		return k.tell(ctx, tx, org, told{
			may: auth.APIKeysWrite, cause: fmt.Sprintf("api_key/%s/%d/%d", key.ID, key.ExpiresAt.Unix(), stage/aDay-1),
			content: func(organization string) template.Content {
				return template.APIKeyExpiring.With(template.APIKeyExpiringData{
					Organization: organization, Name: key.Name, Prefix: key.KeyStart, ExpiresAt: *key.ExpiresAt, Days: wholeDays(*key.ExpiresAt, now),
				})
			},
		})
	}
	return nil
}
