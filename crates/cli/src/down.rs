//! `down`: stops a cluster, whether its main process lives or was killed.

use anyhow::Result;
use cluster::{Home, Stopped};

use crate::output::{self, Advice};
use crate::up::name_flag;

/// Stops the cluster, and removes what it kept when `purge` is set.
pub(crate) fn run(name: &str, purge: bool) -> Result<()> {
    let home = Home::find()?;
    let bar = output::bar("stopping pods");
    let stopped = cluster::stop(&home, name)?;
    bar.finish_and_clear();
    match stopped {
        Stopped::Running => output::note(format!("cluster `{name}` is down")),
        Stopped::Remains => {
            output::note(format!("cluster `{name}` had lost its main process; what it left is stopped"))
        }
        Stopped::Nothing if purge && cluster::exists(&home, name)? => {}
        Stopped::Nothing => {
            return Err(Advice::error(
                format!("cluster `{name}` is not up"),
                format!(
                    "`pinnace status` shows the clusters there are; `pinnace up{}` starts it",
                    name_flag(name)
                ),
            ));
        }
    }
    if purge {
        cluster::purge(&home, name)?;
        output::note(format!("removed all that cluster `{name}` kept"));
    }
    Ok(())
}
