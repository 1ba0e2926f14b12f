package dispatching

import (
	"portico/shared/clock"
	"portico/shared/webhook"
)

// noticeOf returns the notice of a verdict; false if there is none.
func noticeOf(o outcome, before, after health, v verdict) (webhook.Notice, bool) {
	now := webhook.FailingNotice{EndpointNotice: noticeAbout(o, after), LastError: o.lastError}
	switch v {
	case nowFailing:
		return webhook.NewNotice(o.OrgID, o.EndpointID, now), o.telling
	case nowRecovered:
		return webhook.NewNotice(o.OrgID, o.EndpointID, noticeAbout(o, before)), o.telling
	case nowGone, nowFailedTooLong:
		return webhook.NewNotice(o.OrgID, o.EndpointID, webhook.DisabledNotice{FailingNotice: now, Reason: v.reason()}), o.telling
	}
	return webhook.Notice{}, false
}

func noticeAbout(o outcome, h health) webhook.EndpointNotice {
	return webhook.EndpointNotice{EndpointID: o.EndpointID, FailingSince: clock.StampOf(h.FailingSince), Failures: h.Failures}
}

// exhausted returns a notice for every delivery whose last try has failed.
func exhausted(batch []Result) []webhook.Notice {
	var notices []webhook.Notice
	for _, r := range batch {
		if r.Status == webhook.Failed && r.Tried && !webhook.IsOperational(r.Type) {
			notices = append(notices, webhook.NewNotice(r.Org, r.EndpointID, webhook.ExhaustedNotice{
				DeliveryID: r.ID, EventID: r.EventID, EventType: r.Type, EndpointID: r.EndpointID,
				Attempts: r.Attempts + 1, StatusCode: nonZero(int16(r.StatusCode)), LastError: r.Error,
			}))
		}
	}
	return notices
}
