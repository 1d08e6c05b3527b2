//! What containers do.

mod life;

use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;

use crate::world::World;

type Scenario = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Names scenarios, which are `async fn(&World)`.
macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$((stringify!($name), |world| Box::pin($module::$name(world)))),*]
    };
}

pub(crate) const SCENARIOS: &[(&str, Scenario)] = scenarios![
    life::output_goes_to_the_log_with_its_stream,
    life::the_exit_code_is_kept,
];

pub(crate) fn main_to_be_killed(_args: impl Iterator<Item = OsString>) {}
