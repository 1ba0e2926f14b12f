package hostname_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"portico/shared/hostname"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Several organizations may add a name, and one of them has it: the first that
// proves it, until it deletes it. The release by another organization does not
// change that.
func TestFirstProofHasTheName(t *testing.T) {
	eachStore(t, func(f *fixture) {
		ours, theirs := f.add(f.acme, "portal.example.com"), f.add(f.evil, "portal.example.com")
		f.show(ours)
		testkit.Must(f.T, f.verify(f.acme, ours))
		testkit.Must(f.T, f.verify(f.acme, ours)) // again
		f.show(theirs)
		f.answers("the second proof", f.verify(f.evil, theirs), "domain_taken")
		testkit.Must(f.T, f.delete(f.evil, theirs))
		f.isOf(ours.Name, f.acme)
		theirs = f.add(f.evil, ours.Name)
		f.show(theirs)
		testkit.Must(f.T, f.delete(f.acme, ours))
		testkit.Must(f.T, f.verify(f.evil, theirs))
		f.isOf(ours.Name, f.evil)
		f.answers("the same name twice", f.tryAdd(f.evil, theirs.Name), "domain_exists")
	})
}

// A subdomain belongs to the organization that verifies it first; it needs no
// proof. Other organizations learn this when they add it.
func TestSubdomains(t *testing.T) {
	eachStore(t, func(f *fixture) {
		ours, theirs := f.add(f.acme, "acme."+base), f.add(f.evil, "acme."+base)
		f.isOf(ours.Name, nobody)
		testkit.Must(f.T, f.verify(f.acme, ours))
		f.answers("the second", f.verify(f.evil, theirs), "domain_taken")
		testkit.Must(f.T, f.delete(f.evil, theirs))
		f.answers("adding one that is taken", f.tryAdd(f.evil, ours.Name), "domain_taken")
		f.isOf(ours.Name, f.acme)
	})
}

// An organization has at most Most domains, pending ones included.
func TestMost(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	hosts, org, ctx := hostname.NewHosts(nil, "", "", db.Clock), db.NewOrg(t), context.Background()
	for i := range hostname.Most + 1 {
		err := db.App.InOrg(ctx, org, func(tx pg.Tx) error {
			return hosts.Add(ctx, tx, org, hostname.New(fmt.Sprintf("x%d.example.com", i), db.Clock.Now()))
		})
		if i < hostname.Most && err != nil || i == hostname.Most && !errors.Is(err, hostname.ErrTooMany) {
			t.Errorf("domain %d: %v", i+1, err)
		}
	}
}

// However a process ends, a name belongs to its domain or to nobody. A name that
// was claimed before can be verified or deleted again, a released name is free,
// and nobody is locked out.
func TestCrashes(t *testing.T) {
	eachStore(t, func(f *fixture) {
		d := f.add(f.acme, "portal.example.com")
		f.show(d)
		verify := func(d *hostname.Domain) func(context.Context, pg.Tx) error {
			return func(ctx context.Context, tx pg.Tx) error {
				_, _, err := f.hosts.Verify(ctx, tx, f.acme, d.ID, f.db.Clock.Now())
				return err
			}
		}
		remove := func(ctx context.Context, tx pg.Tx) error {
			_, err := f.hosts.Delete(ctx, tx, f.acme, d.ID)
			return err
		}
		f.crash(f.acme, verify(&d))
		if f.verified(d) {
			t.Error("written down before the commit")
		}
		name, _ := d.Record()
		f.names.Set(name)
		testkit.Must(f.T, f.verify(f.acme, d)) // it holds its name already
		f.isOf(d.Name, f.acme)

		f.crash(f.acme, remove)
		f.isOf(d.Name, nobody)
		f.answers("a released domain without its record", f.verify(f.acme, d), "domain_unproven")
		theirs := f.add(f.evil, d.Name)
		f.show(theirs)
		testkit.Must(f.T, f.verify(f.evil, theirs))
		f.answers("a released domain whose name another has", f.verify(f.acme, d), "domain_taken")
		testkit.Must(f.T, f.delete(f.acme, d))
		f.isOf(d.Name, f.evil)

		// A claim that was begun and then deleted leaves nothing.
		testkit.Must(f.T, f.delete(f.evil, theirs))
		d = f.add(f.acme, d.Name)
		f.show(d)
		f.crash(f.acme, verify(&d))
		testkit.Must(f.T, f.delete(f.acme, d))
		f.isOf(d.Name, nobody)

		// Adding does not claim the name, so a crash during it leaves nothing.
		lost := hostname.New("lost."+base, f.db.Clock.Now())
		f.crash(f.acme, func(ctx context.Context, tx pg.Tx) error { return f.hosts.Add(ctx, tx, f.acme, lost) })
		f.isOf(lost.Name, nobody)
		testkit.Must(f.T, f.verify(f.evil, f.add(f.evil, lost.Name)))
	})
}

// Verifying and deleting wait for each other, from before the first asks DynamoDB
// until it has committed. In either order the name belongs to nobody afterwards.
func TestVerifyMeetsDelete(t *testing.T) {
	eachStore(t, func(f *fixture) {
		for _, first := range []string{"verify", "delete"} {
			d := f.add(f.acme, first+"."+base)
			verify, remove := func() error { return f.verify(f.acme, d) }, func() error { return f.delete(f.acme, d) }
			call, one, two := "PutItem", verify, remove
			if first == "delete" {
				testkit.Must(f.T, verify())
				call, one, two = "DeleteItem", remove, verify
			}
			ended, once := make(chan error, 1), sync.Once{}
			f.before.Store(func(c string) {
				if c != call {
					return
				}
				once.Do(func() {
					go func() { ended <- two() }()
					testkit.Await(t, "the second waits for the row", func() bool {
						return testkit.Value[bool](t, f.db, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)`)
					})
				})
			})
			testkit.Must(f.T, one())
			err := <-ended
			f.before.Store(func(string) {})
			if first == "delete" {
				f.answers("verify after delete", err, "domain_not_found")
			} else {
				testkit.Must(f.T, err)
			}
			f.isOf(d.Name, nobody)
		}
	})
}

// If two organizations verify one name at once, and both find it free, only one
// gets it.
func TestOneOfTwoHasTheName(t *testing.T) {
	eachStore(t, func(f *fixture) {
		ours, theirs := f.add(f.acme, "wanted."+base), f.add(f.evil, "wanted."+base)
		var reads atomic.Int64
		both := make(chan struct{})
		f.before.Store(func(call string) {
			if call == "GetItem" && reads.Add(1) == 2 {
				close(both)
			}
			if call == "PutItem" {
				<-both
			}
		})
		theirEnd := make(chan error, 1)
		go func() { theirEnd <- f.verify(f.evil, theirs) }()
		err, theirErr := f.verify(f.acme, ours), <-theirEnd
		f.before.Store(func(string) {})
		switch {
		case err == nil && errors.Is(theirErr, hostname.ErrTaken):
			f.isOf("wanted."+base, f.acme)
		case theirErr == nil && errors.Is(err, hostname.ErrTaken):
			f.isOf("wanted."+base, f.evil)
		default:
			t.Errorf("one ends with %v, the other with %v", err, theirErr)
		}
	})
}

// Deleting an organization frees its names, and no others.
func TestDeleteAll(t *testing.T) {
	eachStore(t, func(f *fixture) {
		testkit.Must(f.T, f.verify(f.acme, f.add(f.acme, "one."+base)))
		testkit.Must(f.T, f.verify(f.acme, f.add(f.acme, "two."+base)))
		testkit.Must(f.T, f.verify(f.evil, f.add(f.evil, "three."+base)))
		f.add(f.acme, "portal.example.com")
		f.add(f.acme, "three.example.com")
		all := func(ctx context.Context, tx pg.Tx) error { return f.hosts.DeleteAll(ctx, tx, f.acme) }
		f.crash(f.acme, all)
		f.db.InOrg(f.T, f.acme, all)
		f.isOf("one."+base, nobody)
		f.isOf("two."+base, nobody)
		f.isOf("three."+base, f.evil)
		if n := testkit.Value[int](t, f.db, `SELECT count(*) FROM domain`); n != 1 {
			t.Errorf("%d domains are left, want the other organization's", n)
		}
	})
}
