package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/terminal"
)

// pageSize is how much --all asks for at once: the most that the API gives.
const pageSize = 100

// listFlags choose the part of a list.
type listFlags struct {
	limit int
	after string
	all   bool
}

// column is one column of a table: its heading, and where the value is in an item.
type column struct{ heading, path string }

// filter is a flag that becomes a query parameter.
type filter struct {
	flag, parameter, usage string
	values                 []string // what it can be; nil: anything
	is                     kind
}

// kind is the kind of a filter's value.
type kind int

const (
	plain   kind = iota
	moments      // a time, or how long ago
	toggle       // true if the flag is given
)

// between are the filters for a time.
func between(what string) []filter {
	return []filter{
		{flag: "since", parameter: "since", is: moments, usage: "only " + what + " at this time or later: 2026-11-22T14:00:00Z, or how long ago, such as 2h"},
		{flag: "until", parameter: "until", is: moments, usage: "only " + what + " before this time"},
	}
}

// lists returns a command that prints a list.
func (a *app) lists(short, example, path, noun string, columns []column, filters ...filter) *cobra.Command {
	cmd := a.command("list", short, example, nil, func(cmd *cobra.Command, _ []string) error {
		query, err := queryOf(cmd, filters)
		if err != nil {
			return err
		}
		return a.pages(cmd, path, noun, query, columns)
	})
	a.addListFlags(cmd, filters)
	return cmd
}

func (a *app) addListFlags(cmd *cobra.Command, filters []filter) {
	flags := cmd.Flags()
	for _, f := range filters {
		if f.is == toggle {
			flags.Bool(f.flag, false, f.usage)
			continue
		}
		flags.String(f.flag, "", f.usage)
		suggest(cmd, f.flag, f.values...)
	}
	flags.IntVar(&a.list.limit, "limit", 20, "how many to list, 1 to 100")
	flags.StringVar(&a.list.after, "after", "", "the value of next of the page before")
	flags.BoolVar(&a.list.all, "all", false, "list everything, page after page")
}

// queryOf returns the query of the filters that were given.
func queryOf(cmd *cobra.Command, filters []filter) (url.Values, error) {
	query := url.Values{}
	for _, f := range filters {
		given := cmd.Flags().Lookup(f.flag)
		if !given.Changed {
			continue
		}
		value := given.Value.String()
		if f.is == moments {
			var err error
			if value, err = moment(cmd, f.flag, value); err != nil {
				return nil, err
			}
		}
		query.Set(f.parameter, value)
	}
	return query, nil
}

// page is a part of a list.
type page struct {
	Data []json.RawMessage `json:"data"`
	Next *string           `json:"next"`
}

// pages prints a list: one page, or all of them as one.
func (a *app) pages(cmd *cobra.Command, path, noun string, query url.Values, columns []column) error {
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	if a.list.all && !cmd.Flags().Changed("limit") {
		a.list.limit = pageSize
	}
	query.Set("limit", strconv.Itoa(a.list.limit))
	var list page
	for after := a.list.after; ; {
		if after != "" {
			query.Set("after", after)
		}
		reply, err := c.Do(cmd.Context(), client.Request{Method: http.MethodGet, Path: path, Query: query})
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(reply, &p); err != nil {
			return fmt.Errorf("the API's reply is not a list: %w", err)
		}
		if !a.list.all && a.json {
			return a.document(reply)
		}
		list.Data, list.Next = append(list.Data, p.Data...), p.Next
		if !a.list.all || p.Next == nil {
			break
		}
		after = *p.Next
	}
	if a.json {
		return a.document(joined(list.Data))
	}
	a.rows(list, noun, columns)
	return nil
}

// joined returns all pages as one, with each item as the API sent it.
func joined(items []json.RawMessage) []byte {
	var text bytes.Buffer
	text.WriteString(`{"data":[`)
	for i, item := range items {
		if i > 0 {
			text.WriteByte(',')
		}
		text.Write(item)
	}
	text.WriteString(`],"next":null}`)
	return text.Bytes()
}

// rows prints a list as a table.
func (a *app) rows(list page, noun string, columns []column) {
	if len(list.Data) == 0 {
		a.err.Line("There are no %s.", noun)
	} else {
		heading := make([]string, len(columns))
		for i, c := range columns {
			heading[i] = c.heading
		}
		rows := make([][]string, len(list.Data))
		for i, item := range list.Data {
			for _, c := range columns {
				rows[i] = append(rows[i], cell(at(item, c.path)))
			}
		}
		a.out.Table(heading, rows)
	}
	if list.Next != nil {
		a.err.Line("There are more: add --all, or --after %s", terminal.Clean(*list.Next))
	}
}
