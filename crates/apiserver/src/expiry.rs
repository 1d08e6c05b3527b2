//! Old events go by themselves.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use store::Expect;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, Refused};

const PERIOD: Duration = Duration::from_secs(60);

/// Removes events once they are older than the configuration says, until stopped.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => remove_expired(&core, Timestamp::now()).await,
        }
    }
}

async fn remove_expired(core: &Core, now: Timestamp) {
    let Ok(row) = core.row("", "v1", "events") else { return };
    let lifetime = SignedDuration::try_from(core.config.event_lifetime).unwrap_or(SignedDuration::MAX);
    let listing = core.store().list(&core.prefix(row, None), None, usize::MAX);
    for (key, entry) in listing.entries {
        let event = core.object(row, &entry);
        let is_old = last_seen(&event).is_none_or(|seen| now.duration_since(seen) > lifetime);
        if !is_old {
            continue;
        }
        match core.remove(&key, Expect::At(entry.modified)).await {
            // one that was just written again is no longer old
            Ok(_) | Err(Refused::Raced) => {}
            Err(Refused::Error(error)) => {
                tracing::warn!(%key, %error, "failed to remove an old event");
                return;
            }
        }
    }
}

/// Returns when the event was last written.
fn last_seen(event: &Value) -> Option<Timestamp> {
    let times = [
        &event["metadata"]["creationTimestamp"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["series"]["lastObservedTime"],
    ];
    times.into_iter().filter_map(|time| api::time::parse(time.as_str()?)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_lives_from_when_it_was_last_seen() {
        let event = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "lastTimestamp": "2026-01-01T01:00:00Z", "eventTime": null});
        assert_eq!(last_seen(&event), "2026-01-01T01:00:00Z".parse().ok());
        assert_eq!(last_seen(&json!({})), None);
    }
}
