package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"

	"portico/infra/local/template"
)

// callbackPath is the path to which functions send the answers for custom
// resources.
const callbackPath = "/_custom/"

// callbacks collects these answers.
type callbacks struct {
	mu      sync.Mutex
	answers map[string]customAnswer
}

type customAnswer struct{ Status, Reason string }

// above puts the callbacks before another handler.
func (c *callbacks) above(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := strings.CutPrefix(r.URL.Path, callbackPath)
		if !ok || r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		var answer customAnswer
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.answers == nil {
			c.answers = map[string]customAnswer{}
		}
		c.answers[id] = answer
	})
}

func (c *callbacks) answer(id string) (customAnswer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[id]
	return a, ok
}

// runCustomResources creates each custom resource at every start. A deployment
// does so only once, so the functions must accept repetitions.
func (s *Stack) runCustomResources(ctx context.Context) error {
	for _, c := range s.Template.Customs {
		if err := s.timed("created "+c.LogicalID, func() error { return s.createCustom(ctx, c) }); err != nil {
			return fmt.Errorf("%s %s: %w", c.Type, c.LogicalID, err)
		}
	}
	return nil
}

func (s *Stack) createCustom(ctx context.Context, c template.CustomResource) error {
	id := uuid.NewString()
	event, err := json.Marshal(map[string]any{
		"RequestType": "Create", "RequestId": id, "ResponseURL": s.AWSURL + callbackPath + id,
		"StackId":      fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/local", Region, AccountID, s.Template.StackName),
		"ResourceType": c.Type, "LogicalResourceId": c.LogicalID, "ResourceProperties": c.Properties,
	})
	if err != nil {
		return err
	}
	_, err = s.host.Function(c.Function).Invoke(ctx, event)
	answer, answered := s.callbacks.answer(id)
	switch {
	case answered && answer.Status == "SUCCESS":
		return nil
	case answered:
		return fmt.Errorf("%s", answer.Reason)
	case err != nil:
		return err
	}
	return fmt.Errorf("%s did not answer", c.Function)
}
