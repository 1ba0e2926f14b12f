package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"portico/shared/audit/record"
)

const aboutVerify = `Verify that an export in the format ndjson was not changed after it was made.

It needs neither the API nor a key. Each entry is compared with its hash, and with the
entry before. --head is an entry's number and hash that you have kept in another place:
with it, an end that was cut off and a chain that was made anew are found, too.`

func (a *app) verifyFile() *cobra.Command {
	var head string
	o := record.Options{}
	cmd := a.command("verify FILE", "Verify an export offline",
		"portico audit verify audit.ndjson --head 1842:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef\nportico audit verify - --from 501",
		[]string{"the file, or - for the standard input"},
		func(cmd *cobra.Command, args []string) (err error) {
			if o.From < 1 {
				return misuse(cmd, "--from must be 1 or more")
			}
			if head != "" {
				if o.Head, err = headOf(head); err != nil {
					return misuse(cmd, "--head: %v", err)
				}
			}
			in := a.In
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				in = file
			}
			return a.verify(in, o)
		})
	cmd.Long = aboutVerify
	cmd.Flags().StringVar(&head, "head", "", "an entry that must be in the file: its `number:hash`")
	cmd.Flags().Int64Var(&o.From, "from", 1, "the number of the first entry: the file must begin with it")
	cmd.Flags().BoolVar(&o.Filtered, "filtered", false, "the export had filters, so numbers may be missing")
	return cmd
}

var errHead = errors.New("give a number and 64 hexadecimal digits, such as 1842:5f70…")

func headOf(text string) (*record.Head, error) {
	number, hash, _ := strings.Cut(text, ":")
	h := &record.Head{}
	var err error
	if h.Number, err = strconv.ParseInt(number, 10, 64); err != nil || h.Number < 0 || h.Hash.UnmarshalText([]byte(hash)) != nil {
		return nil, errHead
	}
	return h, nil
}

// verified is what verify prints with --json.
type verified struct {
	First    int64       `json:"first"`
	Last     int64       `json:"last"`
	LastHash record.Hash `json:"last_hash"`
	Verified int64       `json:"verified"`
	Erased   int64       `json:"erased"`
	Outside  int64       `json:"outside"`
	Fault    *fault      `json:"fault"`
}

type fault struct {
	Kind   record.Kind `json:"kind"`
	Number int64       `json:"number"`
}

func (a *app) verify(in io.Reader, o record.Options) error {
	r, err := record.Verify(in, o)
	if err != nil {
		return err
	}
	if a.json {
		out := verified{r.First, r.Last, r.LastHash, r.Verified, r.Erased, r.Outside, nil}
		if r.Fault != nil {
			out.Fault = &fault{r.Fault.Kind, r.Fault.Number}
		}
		text, err := json.Marshal(out)
		if err == nil {
			err = a.document(text)
		}
		if err != nil {
			return err
		}
	}
	if r.Fault != nil {
		return errors.New(sentence(r, o.From))
	}
	if a.json {
		return nil
	}
	if r.First == 0 {
		a.out.Line("The file has no entries.")
		return nil
	}
	a.out.Line("%d entries are as they were chained, with numbers from %d to %d.", r.Verified, r.First, r.Last)
	a.out.Line("The last one is %d:%x. Keep this in another place, for --head.", r.Last, r.LastHash)
	if o.Head == nil {
		a.err.Line("Without --head, an end that was cut off is not found.")
	}
	if o.Filtered {
		a.err.Line("With --filtered, entries that were deleted are not found.")
	}
	return nil
}

// sentence says what was most likely done with a file that should begin with the entry
// from.
func sentence(r record.Report, from int64) string {
	f := r.Fault
	if f.Kind == record.Deleted && f.Number == from && r.First > from {
		return fmt.Sprintf("the file begins with entry %d, so entries from %d to %d are missing. If the export says that its first_number is %d, "+
			"they are not a part of it: the log no longer keeps them, or the export had a time. Then add --from %d; with other conditions, --filtered", r.First, from, r.First-1, r.First, r.First)
	}
	switch f.Kind {
	case record.Deleted:
		return fmt.Sprintf("entry %d is missing: it was deleted, or the end was cut off. If the export had filters, use --filtered; if it begins later, --from", f.Number)
	case record.Inserted:
		return fmt.Sprintf("an entry was inserted at number %d", f.Number)
	case record.Reordered:
		return fmt.Sprintf("entry %d is not in its place", f.Number)
	case record.BadHead:
		return fmt.Sprintf("entry %d does not have the hash of --head: the chain was made anew, or it is that of another organization", f.Number)
	}
	return fmt.Sprintf("entry %d was edited", f.Number)
}
