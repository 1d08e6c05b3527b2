//! x
use super::*;
pub(super) fn answer(_look: &Look<'_>, _name: &str, _r: Request<'_>) -> Answer { Answer::fine("x") }
