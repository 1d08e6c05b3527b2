//! Timestamps as Kubernetes writes them, and ages as its tables show them.

use jiff::{SignedDuration, Timestamp};

/// Returns the RFC 3339 form with whole seconds, as `metav1.Time` is written.
pub fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns the RFC 3339 form with microseconds, as `metav1.MicroTime` is written.
pub fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Parses an RFC 3339 timestamp.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Returns the age of `at` seen from `now` in the short words of tables: `45s`, `5m10s`, `3h`, `2d4h`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    human_duration(now.duration_since(at))
}

/// Returns a duration in the short words of tables (`duration.HumanDuration` upstream).
pub fn human_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    if seconds < 0 {
        return "0s".to_owned();
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    if seconds < 60 * 2 {
        return format!("{seconds}s");
    }
    if minutes < 10 {
        return pair(minutes, 'm', seconds % 60, 's');
    }
    if minutes < 60 * 3 {
        return format!("{minutes}m");
    }
    if hours < 8 {
        return pair(hours, 'h', minutes % 60, 'm');
    }
    if hours < 48 {
        return format!("{hours}h");
    }
    if hours < 24 * 8 {
        return pair(hours / 24, 'd', hours % 24, 'h');
    }
    if hours < 24 * 365 * 2 {
        return format!("{}d", hours / 24);
    }
    if hours < 24 * 365 * 8 {
        return pair(hours / 24 / 365, 'y', (hours / 24) % 365, 'd');
    }
    format!("{}y", hours / 24 / 365)
}

fn pair(large: i64, large_unit: char, small: i64, small_unit: char) -> String {
    if small == 0 {
        return format!("{large}{large_unit}");
    }
    format!("{large}{large_unit}{small}{small_unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_kubernetes_writes_them() {
        let at: Timestamp = "2026-11-20T08:00:00.123456789Z".parse().unwrap();
        assert_eq!(seconds(at), "2026-11-20T08:00:00Z");
        assert_eq!(micros(at), "2026-11-20T08:00:00.123456Z");
        assert_eq!(parse("2026-11-20T10:00:00+02:00").map(seconds).as_deref(), Some("2026-11-20T08:00:00Z"));
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn ages_in_the_words_of_tables() {
        let check = |seconds: i64, words: &str| {
            assert_eq!(human_duration(SignedDuration::from_secs(seconds)), words);
        };
        for (seconds, words) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (600, "10m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (8 * 3600 + 60, "8h"),
            (49 * 3600, "2d1h"),
            (8 * 86_400, "8d"),
            (3 * 365 * 86_400, "3y"),
            (3 * 365 * 86_400 + 86_400, "3y1d"),
            (9 * 365 * 86_400, "9y"),
        ] {
            check(seconds, words);
        }
    }
}
