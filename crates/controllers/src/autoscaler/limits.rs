//! The limits on sizes and on rates of change.

use api::k8s::api::autoscaling::v2::{HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerSpec};
use jiff::Timestamp;

/// For how long recommendations are remembered unless the spec says otherwise.
const STABILIZATION_SECONDS: i64 = 300;

/// What has been recommended and done before, within an hour.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What the load asked for.
    pub recommendations: Vec<(Timestamp, i32)>,
    /// By how many pods the object was changed.
    pub changes: Vec<(Timestamp, i32)>,
}

/// A size within all limits, and what limited it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The size.
    pub replicas: i32,
    /// Whether recent recommendations held a change back.
    pub is_stabilized: bool,
    /// What limited it otherwise: a reason and a message.
    pub limit: Option<(&'static str, &'static str)>,
}

impl History {
    /// Notes what has been decided, and forgets what is older than an hour.
    pub fn note(&mut self, recommendation: Option<i32>, change: i32, now: Timestamp) {
        self.recommendations.extend(recommendation.map(|replicas| (now, replicas)));
        if change != 0 {
            self.changes.push((now, change));
        }
        let is_recent = |at: &Timestamp| now.duration_since(*at).as_secs() < 3600;
        self.recommendations.retain(|(at, _)| is_recent(at));
        self.changes.retain(|(at, _)| is_recent(at));
    }

    fn changed(&self, seconds: i32, now: Timestamp) -> i32 {
        let recent =
            self.changes.iter().filter(|(at, _)| now.duration_since(*at).as_secs() < i64::from(seconds));
        recent.map(|(_, change)| change).sum()
    }
}

/// Brings a recommendation within the limits.
#[must_use]
pub fn limit(
    spec: &HorizontalPodAutoscalerSpec,
    history: &History,
    current: i32,
    recommended: i32,
    now: Timestamp,
) -> Limited {
    let up = spec.behavior.as_ref().and_then(|behavior| behavior.scale_up.as_ref());
    let down = spec.behavior.as_ref().and_then(|behavior| behavior.scale_down.as_ref());
    let stable = stabilize(history, up, down, (current, recommended), now);
    let (least, most) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    let mut limited = Limited { replicas: stable, is_stabilized: stable != recommended, limit: None };
    if stable > current {
        let most_now = ceiling(history, up, current, now);
        if stable > most_now.min(most) {
            let is_rate = most_now < most;
            limited.replicas = most_now.min(most);
            limited.limit = Some(if is_rate {
                ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
            } else {
                ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
            });
        }
    } else if stable < current {
        let least_now = floor(history, down, current, now);
        if stable < least_now.max(least) {
            let is_rate = least_now > least;
            limited.replicas = least_now.max(least);
            limited.limit = Some(if is_rate {
                (
                    "ScaleDownLimit",
                    "the desired replica count is decreasing faster than the maximum scale rate",
                )
            } else {
                ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
            });
        }
    }
    limited
}

/// Grows to the least, and shrinks to the most, that was recommended within the window.
fn stabilize(
    history: &History,
    up: Option<&HPAScalingRules>,
    down: Option<&HPAScalingRules>,
    (current, recommended): (i32, i32),
    now: Timestamp,
) -> i32 {
    let window = |rules: Option<&HPAScalingRules>, default: i64| {
        rules.and_then(|rules| rules.stabilization_window_seconds).map_or(default, i64::from)
    };
    let within = |seconds: i64| {
        let recent =
            history.recommendations.iter().filter(move |(at, _)| now.duration_since(*at).as_secs() < seconds);
        recent.map(|(_, replicas)| *replicas).chain([recommended])
    };
    let least = within(window(up, 0)).min().unwrap_or(recommended);
    let most = within(window(down, STABILIZATION_SECONDS)).max().unwrap_or(recommended);
    if current < least {
        least
    } else if current > most {
        most
    } else {
        current
    }
}

fn policies(rules: Option<&HPAScalingRules>, default: &[(&str, i32)]) -> Vec<HPAScalingPolicy> {
    let given = rules.and_then(|rules| rules.policies.clone()).filter(|policies| !policies.is_empty());
    given.unwrap_or_else(|| {
        let policy = |(kind, value): &(&str, i32)| HPAScalingPolicy {
            type_: (*kind).to_owned(),
            value: *value,
            period_seconds: 15,
        };
        default.iter().map(policy).collect()
    })
}

/// Returns how many pods there may be now.
fn ceiling(history: &History, rules: Option<&HPAScalingRules>, current: i32, now: Timestamp) -> i32 {
    let select = rules.and_then(|rules| rules.select_policy.as_deref());
    if select == Some("Disabled") {
        return current;
    }
    let sizes = policies(rules, &[("Percent", 100), ("Pods", 4)]).into_iter().map(|policy| {
        let start = current - history.changed(policy.period_seconds, now).max(0);
        match policy.type_.as_str() {
            "Pods" => start + policy.value,
            _ => {
                start
                    + ((i64::from(start) * i64::from(policy.value) + 99) / 100).try_into().unwrap_or(i32::MAX)
            }
        }
    });
    let sizes: Vec<i32> = sizes.collect();
    let chosen = if select == Some("Min") { sizes.iter().min() } else { sizes.iter().max() };
    chosen.copied().unwrap_or(current)
}

/// Returns how few pods there may be now.
fn floor(history: &History, rules: Option<&HPAScalingRules>, current: i32, now: Timestamp) -> i32 {
    let select = rules.and_then(|rules| rules.select_policy.as_deref());
    if select == Some("Disabled") {
        return current;
    }
    let sizes = policies(rules, &[("Percent", 100)]).into_iter().map(|policy| {
        let start = current - history.changed(policy.period_seconds, now).min(0);
        match policy.type_.as_str() {
            "Pods" => start - policy.value,
            _ => i32::try_from(i64::from(start) * (100 - i64::from(policy.value)) / 100).unwrap_or(0),
        }
    });
    let sizes: Vec<i32> = sizes.collect();
    let chosen = if select == Some("Min") { sizes.iter().max() } else { sizes.iter().min() };
    chosen.copied().unwrap_or(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time in range")
    }

    fn check(history: &History, current: i32, recommended: i32, expected: i32) {
        let spec =
            HorizontalPodAutoscalerSpec { min_replicas: Some(1), max_replicas: 20, ..Default::default() };
        assert_eq!(limit(&spec, history, current, recommended, at(0)).replicas, expected);
    }

    #[test]
    fn growth_doubles_or_adds_four() {
        check(&History::default(), 1, 20, 5);
        check(&History::default(), 6, 20, 12);
        check(&History::default(), 15, 100, 20);
    }

    #[test]
    fn what_was_added_lately_counts() {
        let history = History { changes: vec![(at(-5), 4)], ..History::default() };
        check(&history, 5, 20, 5);
    }

    #[test]
    fn shrinking_waits_until_nothing_higher_was_asked_for_in_five_minutes() {
        let history = History { recommendations: vec![(at(-200), 7)], ..History::default() };
        check(&history, 10, 2, 7);
        let history = History { recommendations: vec![(at(-301), 7)], ..History::default() };
        check(&history, 10, 2, 2);
    }
}
