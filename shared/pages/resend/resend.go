// Package resend receives the webhooks of Resend, which say what became of mails.
package resend

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"portico/shared/clock"
	"portico/shared/mail/feedback"
	"portico/shared/observe"
)

// Path is where Resend sends its webhooks, for the gateway. POST is its method.
const Path = "/hooks/resend"

// Handler serves Path. Whoever calls has no key: the signature says that it is
// Resend, and when it signed.
type Handler struct {
	Key   []byte // the webhook's; nil: mail is not sent through Resend, and nothing is here
	Clock *clock.Clock
	Log   *observe.Log
	// Apply applies a report. It may be called again for the same one.
	Apply func(ctx context.Context, r feedback.Report) error
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case h.Key == nil || r.URL.Path != Path:
		refuse(w, http.StatusNotFound, "There is nothing here.")
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "Send an event with POST.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, feedback.MaxResend))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "The event is too large, or ended early: send at most "+strconv.Itoa(feedback.MaxResend)+" bytes.")
		return
	}
	signature := feedback.Signature{ID: r.Header.Get("Svix-Id"), Timestamp: r.Header.Get("Svix-Timestamp"), Signatures: r.Header.Get("Svix-Signature")}
	if err := feedback.VerifyResend(h.Key, signature, body, h.Clock.Now()); err != nil {
		refuse(w, http.StatusUnauthorized, "The signature is not Resend's, or is older than five minutes: put the webhook's signing secret into the secret of MailSecret.")
		return
	}
	switch status := h.take(r.Context(), signature.ID, body); status {
	case http.StatusBadRequest:
		refuse(w, status, "The event is not one of Resend's.")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "60")
		refuse(w, status, "The event could not be recorded: send it again.")
	default:
		w.WriteHeader(status)
	}
}

// refuse says why a request has no effect.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, why+"\n")
}

// take applies a signed event and returns the status of the answer: Resend sends again
// what is not answered with 2xx.
func (h *Handler) take(ctx context.Context, id string, body []byte) int {
	report, err := feedback.ReadResend(body)
	switch {
	case errors.Is(err, feedback.ErrNotOurs): // such as that a link was opened
		return http.StatusNoContent
	case err != nil:
		h.note(ctx, "an event of Resend cannot be read", id, err)
		return http.StatusBadRequest
	}
	if err := h.Apply(ctx, report); err != nil {
		h.note(ctx, "an event of Resend could not be applied: Resend sends it again", id, err)
		return http.StatusServiceUnavailable
	}
	return http.StatusNoContent
}

func (h *Handler) note(ctx context.Context, message, id string, cause error) {
	h.Log.Line(ctx, slog.LevelError, message, nil, slog.String("svix_id", id), slog.String("cause", cause.Error()))
}
