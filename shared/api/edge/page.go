package edge

import (
	"encoding/base64"

	"portico/shared/fault"
)

// Page asks for a part of a list.
type Page struct {
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many to return."`
	After string `query:"after" maxLength:"200" doc:"The value of next from the previous page."`
}

// rowsPerUnit is how many rows of a list count as a work unit.
const rowsPerUnit = 10

// units is what a page counts beside its operation.
func (p Page) units() int64 { return int64(p.Limit / rowsPerUnit) }

// List is a part of a list, newest first.
type List[T any] struct {
	Data []T     `json:"data" nullable:"false" doc:"The items."`
	Next *string `json:"next" doc:"Pass it as after to get the following page; null on the last page."`
}

// Cursor makes an opaque `next` from the last item's ids. It is sealed, and valid
// only for the list and the organization of its call.
func (c *Call) Cursor(list string, ids ...[16]byte) *string {
	var plain []byte
	for _, i := range ids {
		plain = append(plain, i[:]...)
	}
	return c.TextCursor(list, plain)
}

// TextCursor makes an opaque `next` for a list that is not sorted by ids.
func (c *Call) TextCursor(list string, plain []byte) *string {
	s := base64.RawURLEncoding.EncodeToString(c.Box.Seal(plain, "cursor/"+list+"/"+c.Org.String()))
	return &s
}

// Position decodes a cursor into ids; without a cursor they stay zero.
func (c *Call) Position(list, cursor string, ids ...*[16]byte) error {
	if cursor == "" {
		return nil
	}
	plain, err := c.TextPosition(list, cursor)
	if err != nil {
		return err
	}
	if len(plain) != 16*len(ids) {
		return errCursor
	}
	for i, id := range ids {
		copy(id[:], plain[16*i:])
	}
	return nil
}

var errCursor = fault.InvalidField("query.after", "is not valid for this list: use the next value of its previous page")

// TextPosition decodes a cursor of TextCursor; "" without one.
func (c *Call) TextPosition(list, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", errCursor.Because(err)
	}
	if base64.RawURLEncoding.EncodeToString(sealed) != cursor {
		return "", errCursor // another text for the same bytes
	}
	plain, err := c.Box.Open(sealed, "cursor/"+list+"/"+c.Org.String())
	if err != nil {
		return "", errCursor.Because(err)
	}
	return string(plain), nil
}

// ListOf makes a page from items. The caller reads one item more than limit,
// which shows that there is a next page.
func ListOf[T, J any](items []T, limit int, show func(T) J, next func(last T) *string) List[J] {
	list := List[J]{Data: []J{}}
	for i, item := range items {
		if i == limit {
			list.Next = next(items[i-1])
			break
		}
		list.Data = append(list.Data, show(item))
	}
	return list
}
