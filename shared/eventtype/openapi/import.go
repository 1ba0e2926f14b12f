package openapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/eventtype"
	"portico/shared/id"
	"portico/shared/pg"
)

// Imported says what an import did, or would do, with an event type.
type Imported struct {
	Name    string
	Result  string
	Reason  string // why it was skipped
	Version *int32 // the new version; nil: none
}

// What became of an event type.
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
	Skipped   = "skipped"
)

// Import writes event types to an organization's catalog, or only says what it would
// write. It deletes none. A type that exists gets a new version if its schema has
// changed; its validation stays, and so do its description and group where the
// document has none.
func Import(ctx context.Context, tx pg.Tx, org id.Org, found []Found, actor string, now time.Time, dry bool) ([]Imported, error) {
	count, err := eventtype.Count(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	i := importing{ctx: ctx, tx: tx, org: org, actor: actor, now: now, dry: dry, room: eventtype.MaxTypes - count}
	list := make([]Imported, len(found))
	for n, f := range found {
		if f.Problem != "" {
			list[n] = Imported{Name: f.Name, Result: Skipped, Reason: f.Problem}
			continue
		}
		if list[n], err = i.one(f); err != nil {
			return nil, fmt.Errorf("openapi.Import: %s: %w", f.Name, err)
		}
	}
	return list, nil
}

type importing struct {
	ctx   context.Context
	tx    pg.Tx
	org   id.Org
	actor string
	now   time.Time
	dry   bool
	room  int // how many more types the catalog may have
}

func (i *importing) one(f Found) (Imported, error) {
	t, err := eventtype.Get(i.ctx, i.tx, i.org, f.Name)
	switch {
	case errors.Is(err, eventtype.ErrNotFound):
		return i.create(f)
	case err != nil:
		return Imported{}, err
	}
	return i.change(t, f)
}

func (i *importing) create(f Found) (Imported, error) {
	if i.room--; i.room < 0 {
		return Imported{Name: f.Name, Result: Skipped, Reason: fmt.Sprintf("the catalog has %d types already", eventtype.MaxTypes)}, nil
	}
	if !i.dry {
		t := eventtype.Type{Name: f.Name, Description: f.Description, Group: f.Group, Validation: eventtype.Off, CreatedAt: i.now}
		if err := eventtype.Insert(i.ctx, i.tx, i.org, t); err != nil {
			return Imported{}, err
		}
	}
	version, err := i.addVersion(f, eventtype.Type{})
	return Imported{Name: f.Name, Result: Created, Version: version}, err
}

func (i *importing) change(t eventtype.Type, f Found) (done Imported, err error) {
	done = Imported{Name: f.Name, Result: Unchanged}
	c := eventtype.Change{}
	if f.Description != "" && f.Description != t.Description {
		c.Description, done.Result = &f.Description, Changed
	}
	if f.Group != "" && f.Group != t.Group {
		c.Group, done.Result = &f.Group, Changed
	}
	if f.Schema != nil && !t.MatchesSchema(f.Schema) {
		if t.Versions >= eventtype.MaxVersions {
			return Imported{Name: f.Name, Result: Skipped, Reason: fmt.Sprintf("the type has %d versions already", eventtype.MaxVersions)}, nil
		}
		if done.Version, err = i.addVersion(f, t); err != nil {
			return done, err
		}
		done.Result = Changed
	}
	if !i.dry && (c.Description != nil || c.Group != nil) {
		_, _, err = eventtype.Update(i.ctx, i.tx, i.org, f.Name, c, i.now)
	}
	return done, err
}

// addVersion returns the number of the new version; nil if there is no schema.
func (i *importing) addVersion(f Found, before eventtype.Type) (*int32, error) {
	number := before.Versions + 1
	switch {
	case f.Schema == nil:
		return nil, nil
	case i.dry:
		return &number, nil
	}
	_, _, err := eventtype.AddVersion(i.ctx, i.tx, i.org, f.Name, eventtype.NewVersion{Schema: f.Schema, Examples: f.Examples}, i.actor, i.now)
	return &number, err
}
