//! How many pods a rollout may and must have, rounded as Kubernetes rounds.

use api::k8s::api::apps::v1::Deployment;
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;

/// The limits of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The pods wanted.
    pub replicas: i32,
    /// At most so many pods: replicas and surge.
    pub most: i32,
    /// At least so many ready pods: replicas without the unavailable ones.
    pub least_ready: i32,
}

impl Limits {
    /// Returns the limits of a Deployment: surge is rounded up, unavailability down, and where both come to 0
    /// one pod may be unavailable, lest the rollout stand still.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let spec = deployment.spec.as_ref();
        let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1).max(0);
        let strategy = spec.and_then(|spec| spec.strategy.as_ref());
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
            return Self { replicas, most: replicas, least_ready: 0 };
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let quarter = IntOrString::String("25%".to_owned());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
        let surge = share(surge, replicas, true);
        let unavailable = match share(unavailable, replicas, false) {
            0 if surge == 0 => 1,
            unavailable => unavailable.min(replicas),
        };
        Self {
            replicas,
            most: replicas.saturating_add(surge),
            least_ready: replicas.saturating_sub(unavailable).max(0),
        }
    }
}

/// A number, or a percentage of the replicas; 0 for what is neither.
fn share(value: &IntOrString, replicas: i32, is_rounded_up: bool) -> i32 {
    match value {
        IntOrString::Int(number) => (*number).max(0),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|percent| percent.parse::<i64>().ok()).unwrap_or(0);
            let hundredths = percent.max(0).saturating_mul(i64::from(replicas));
            let rounded = if is_rounded_up { hundredths.saturating_add(99) } else { hundredths };
            i32::try_from(rounded / 100).unwrap_or(i32::MAX)
        }
    }
}
