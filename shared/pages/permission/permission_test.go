package permission_test

import (
	"testing"

	"portico/shared/auth"
	"portico/shared/pages/permission"
)

// Each permission that can be given to an app has a German text of its own.
func TestIn(t *testing.T) {
	t.Parallel()
	said := map[string]auth.Permission{}
	for p, english := range auth.Scopes() {
		german := permission.In("de", p)
		if german == "" || german == english || said[german] != "" {
			t.Errorf("%s in German: %q, as %q", p, german, said[german])
		}
		said[german] = p
		if got := permission.In("en", p); got != english {
			t.Errorf("%s in English: %q", p, got)
		}
	}
}
