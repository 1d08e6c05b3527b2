//! The limits of a rollout, in pods.

use api::k8s::api::apps::v1::DeploymentSpec;
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;

use crate::percent::{Round, resolve};

/// The limits of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    /// Whether old and new pods may run together.
    pub(super) is_rolling: bool,
    /// Pods asked for.
    pub(super) replicas: i32,
    /// Pods there may be above `replicas`.
    pub(super) surge: i32,
    /// Pods that may be unavailable below `replicas`.
    pub(super) unavailable: i32,
}

impl Fence {
    /// Returns the limits that a Deployment states.
    #[must_use]
    pub(super) fn of(spec: &DeploymentSpec) -> Self {
        let replicas = spec.replicas.unwrap_or(1).max(0);
        let strategy = spec.strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
            return Self { is_rolling: false, replicas, surge: 0, unavailable: 0 };
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let quarter = IntOrString::String("25%".to_owned());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
        let surge = resolve(surge, replicas, Round::Up);
        let mut unavailable = resolve(unavailable, replicas, Round::Down);
        if surge == 0 && unavailable == 0 {
            // Both were percentages that came to nothing: without one of them nothing could move.
            unavailable = 1;
        }
        Self { is_rolling: true, replicas, surge, unavailable: unavailable.min(replicas) }
    }

    /// Pods there may be at most.
    pub(super) fn most(&self) -> i32 {
        self.replicas.saturating_add(self.surge)
    }

    /// Available pods there must be at least.
    pub(super) fn least(&self) -> i32 {
        self.replicas - self.unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::k8s::api::apps::v1::{DeploymentStrategy, RollingUpdateDeployment};

    fn check(replicas: i32, surge: &str, unavailable: &str, expected: (i32, i32)) {
        let value = |text: &str| match text.parse() {
            Ok(number) => IntOrString::Int(number),
            Err(_) => IntOrString::String(text.to_owned()),
        };
        let rolling = RollingUpdateDeployment {
            max_surge: Some(value(surge)),
            max_unavailable: Some(value(unavailable)),
        };
        let strategy =
            DeploymentStrategy { type_: Some("RollingUpdate".into()), rolling_update: Some(rolling) };
        let spec = DeploymentSpec {
            replicas: Some(replicas),
            strategy: Some(strategy),
            ..DeploymentSpec::default()
        };
        let fence = Fence::of(&spec);
        assert_eq!((fence.surge, fence.unavailable), expected, "{replicas} replicas, {surge}/{unavailable}");
    }

    #[test]
    fn surge_is_rounded_up_and_unavailable_down() {
        check(3, "25%", "25%", (1, 0));
        check(3, "50%", "50%", (2, 1));
        check(3, "60%", "30%", (2, 0));
        check(10, "60%", "30%", (6, 3));
        check(3, "100%", "0%", (3, 0));
        check(4, "1", "0", (1, 0));
    }

    #[test]
    fn something_may_always_move() {
        check(2, "0%", "1%", (0, 1));
        check(1, "0", "25%", (0, 1));
    }

    #[test]
    fn no_more_can_be_unavailable_than_there_are() {
        check(2, "0", "5", (0, 2));
    }
}
