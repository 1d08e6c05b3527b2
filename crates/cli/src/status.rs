//! `status`: which clusters there are, and what runs on one.

use anyhow::Result;
use cluster::{Home, Standing};

use crate::output;
use crate::up::name_flag;

/// Shows every cluster, then the nodes and pods of the one with this name.
pub(crate) fn run(name: &str) -> Result<()> {
    let home = Home::find()?;
    let names = home.cluster_names()?;
    if names.is_empty() {
        output::note("no clusters; `pinnace up -d` starts one");
        return Ok(());
    }
    let mut rows = Vec::new();
    for name in &names {
        rows.push(row(name, &cluster::standing(&home, name)?));
    }
    output::table(&["CLUSTER", "STATUS", "NODES", "API", "INGRESS", "CONTEXT"], &rows);
    if let Some(Standing::Up(_)) =
        names.iter().find(|n| *n == name).map(|name| cluster::standing(&home, name)).transpose()?
    {
        summary(&home, name)?;
    }
    Ok(())
}

fn row(name: &str, standing: &Standing) -> Vec<String> {
    let (status, record) = match standing {
        Standing::Up(record) => (format!("up (process {})", record.main.pid), Some(record)),
        Standing::Orphaned(record) => (
            format!("main process lost, pods run: `pinnace up{}` adopts them", name_flag(name)),
            Some(record),
        ),
        Standing::Down => ("down".to_owned(), None),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        name.to_owned(),
        status,
        or_dash(record.map(|record| record.nodes.to_string())),
        or_dash(record.map(|record| format!("https://127.0.0.1:{}", record.api_port))),
        or_dash(record.map(|record| format!("http://127.0.0.1:{}", record.http_port))),
        cluster::kubeconfig::context_name(name),
    ]
}

fn summary(home: &Home, name: &str) -> Result<()> {
    let overview = cluster::overview(home, name)?;
    output::data("");
    let nodes: Vec<Vec<String>> = overview
        .nodes
        .iter()
        .map(|node| vec![node.name.clone(), node.status.clone(), format!("{}", node.pods)])
        .collect();
    output::table(&["NODE", "STATUS", "PODS"], &nodes);
    output::data("");
    output::data(format!("pods       {} ready of {}", overview.pods_ready, overview.pods));
    if let Some(memory) = overview.main_memory_bytes {
        output::data(format!("memory     {} (main process)", output::size(memory)));
    }
    output::data(format!("log        {}", overview.log.display()));
    Ok(())
}
