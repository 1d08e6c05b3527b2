//! `node`: switches nodes off and on.

use anyhow::Result;
use cluster::Home;

use crate::args::{Node, NodeCommand};
use crate::output;

/// Switches a node.
pub(crate) fn run(args: &Node) -> Result<()> {
    let home = Home::find()?;
    match &args.command {
        NodeCommand::Stop { node } => {
            cluster::switch_node(&home, &args.name, node, false)?;
            output::note(format!(
                "node `{node}` is off; it is NotReady when its lease has run out, in about 40 s"
            ));
        }
        NodeCommand::Start { node } => {
            cluster::switch_node(&home, &args.name, node, true)?;
            output::note(format!("node `{node}` is on"));
        }
    }
    Ok(())
}
