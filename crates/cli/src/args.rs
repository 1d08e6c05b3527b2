//! The command line.

pub(crate) mod learn;
pub(crate) mod look;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use inference::settings::{duration, size};

use learn::{Compare, Predict, Train};
use look::{Timeline, Why};

/// Takes a trained model from a file to production: serves, packs, runs and rolls it.
#[derive(Debug, Parser)]
#[command(name = "pinnace", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole story: train, build, deploy, roll out, break, roll back
    Demo(Demo),
    /// Train a model on a table
    Train(Train),
    /// Predict with a model file
    Predict(Predict),
    /// Compare two models on the same rows, before one takes the other's place
    Compare(Compare),
    /// Say what a model file is, and what loading it in Python would run
    Inspect(Inspect),
    /// Serve a model over HTTP
    Serve(Serve),
    /// Build and manage images
    Image(Image),
    /// Start a cluster
    Up(Up),
    /// Show clusters and what runs on them
    Status(Name),
    /// Stop a cluster
    Down(Down),
    /// Switch a node off or on, to see what happens to its pods
    Node(Node),
    /// Send requests and count the answers
    Load(Load),
    /// Tell why something is not as it should be, and what to do
    Why(Why),
    /// Draw the pods of a rollout over time
    Timeline(Timeline),
    /// Tell the version, and that of the Kubernetes API
    Version,
    /// Print what makes a shell complete commands and flags
    ///
    /// For this shell: `source <(pinnace completion bash)`. For all to come: write it where your shell looks for
    /// completions, such as `~/.local/share/bash-completion/completions/pinnace`, `~/.zfunc/_pinnace` or
    /// `~/.config/fish/completions/pinnace.fish`.
    #[command(verbatim_doc_comment)]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `pinnace demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the cluster up at the end, to play with
    #[arg(long)]
    pub(crate) keep: bool,
    /// What to train on: `jokes` (a toy set), `fortunes` (34,000 lines from Debian), or a CSV file
    #[arg(long, default_value = "jokes", value_name = "SET|FILE")]
    pub(crate) data: String,
    /// Name of the demo's cluster
    #[arg(long, default_value = "demo")]
    pub(crate) name: String,
}

/// `pinnace inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Model file, or MLflow folder
    pub(crate) file: PathBuf,
    /// List also the callables of a pickle that models are usually made with
    #[arg(long)]
    pub(crate) all: bool,
    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `pinnace serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Model file
    #[arg(env = "ML_MODEL_PATH")]
    pub(crate) model: PathBuf,
    /// Port to listen on
    #[arg(long, env = "PINNACE_PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// Address to listen on
    #[arg(long, env = "PINNACE_ADDRESS", default_value = "0.0.0.0")]
    pub(crate) address: std::net::IpAddr,
    /// Open the port only after this long: a slow resource, simulated
    #[arg(long, env = "PINNACE_STARTUP_DELAY", default_value = "0s", value_parser = duration)]
    pub(crate) startup_delay: Duration,
    /// Fail health and readiness after this long: a fault, simulated
    #[arg(long, env = "PINNACE_FAIL_AFTER", value_parser = duration)]
    pub(crate) fail_after: Option<Duration>,
    /// Hold this much memory besides the model, such as `64Mi`: an appetite, simulated
    #[arg(long, env = "PINNACE_BALLAST", default_value = "0", value_parser = size)]
    pub(crate) ballast: usize,
}

/// `pinnace image`.
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
}

/// The commands of `pinnace image`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Build an image that serves a model
    Build(ImageBuild),
    /// List images
    #[command(visible_alias = "list")]
    Ls,
    /// Fetch an image from its registry
    Pull {
        /// Reference, such as `registry.example/team/jokemeter:lr`
        reference: String,
    },
    /// Bring an image to the registry that its name says
    Push {
        /// Reference, such as `registry.example/team/jokemeter:lr`
        reference: String,
    },
    /// Give an image another name
    Tag {
        /// The name it has
        existing: String,
        /// The name it gets
        new: String,
    },
    /// Write images to an archive, for `pinnace`, `docker`, `podman` or `skopeo` to load
    Save {
        /// References, such as `jokemeter:lr`
        #[arg(required = true)]
        references: Vec<String>,
        /// Where to write; standard output otherwise
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take images from an archive of `docker save`, `podman save` or `pinnace image save`
    Load {
        /// What to read; standard input otherwise
        #[arg(short, long, value_name = "FILE")]
        input: Option<PathBuf>,
        /// The name of an image that has none in the archive
        #[arg(short, long, value_name = "NAME:TAG")]
        tag: Option<String>,
    },
    /// Show an image's configuration and layers as JSON
    Inspect {
        /// Reference, such as `jokemeter:lr`
        reference: String,
    },
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm {
        /// References, such as `jokemeter:lr`
        #[arg(required = true)]
        references: Vec<String>,
    },
}

/// `pinnace image build`.
#[derive(Debug, Args)]
pub(crate) struct ImageBuild {
    /// Name and tag of the image
    #[arg(short, long, value_name = "NAME:TAG")]
    pub(crate) tag: String,
    /// `MODEL_TO_USE=FILE` chooses the model in the folder
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) build_arg: Vec<String>,
    /// The model file itself, in place of a folder
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folder", "build_arg"])]
    pub(crate) model: Option<PathBuf>,
    /// Folder with model files
    #[arg(required_unless_present = "model")]
    pub(crate) folder: Option<PathBuf>,
}

/// A cluster by name.
#[derive(Debug, Args)]
pub(crate) struct Name {
    /// Name of the cluster
    #[arg(long, default_value = "pinnace")]
    pub(crate) name: String,
}

/// `pinnace up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Name of the cluster
    #[arg(long, default_value = "pinnace")]
    pub(crate) name: String,
    /// Go to the background once the cluster is ready
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Number of nodes; 0 is the API and the controllers alone
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=i64::from(cluster::addresses::NODE_LIMIT)))]
    pub(crate) nodes: u32,
    /// CPU each node offers, such as `2` or `500m` [default: the machine's]
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) node_cpu: Option<String>,
    /// Memory each node offers, such as `4Gi` [default: the machine's]
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) node_memory: Option<String>,
    /// Processes and threads a container may have: where a fork bomb ends
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(16..=4_194_304))]
    pub(crate) pids_limit: u64,
    /// Host port of the Ingress for HTTP
    #[arg(long, default_value_t = 8080)]
    pub(crate) http_port: u16,
    /// Host port of the Ingress for HTTPS
    #[arg(long, default_value_t = 8443)]
    pub(crate) https_port: u16,
    /// Host port of the API
    #[arg(long, default_value_t = 6443)]
    pub(crate) api_port: u16,
    /// Says to the program that its parent waits for the cluster to be ready.
    #[arg(long, hide = true)]
    pub(crate) report_ready: bool,
}

/// `pinnace node`.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: NodeCommand,
    /// Name of the cluster
    #[arg(long, default_value = "pinnace", global = true)]
    pub(crate) name: String,
}

/// The commands of `pinnace node`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Switch a node off, as if its power went
    Stop {
        /// The node, as `kubectl get nodes` shows it
        node: String,
    },
    /// Switch it on again
    Start {
        /// The node, as `kubectl get nodes` shows it
        node: String,
    },
}

/// `pinnace load`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(crate) struct Load {
    /// Where to send, `http://127.0.0.1:8080/api/v1/predict`; or a model file, to serve in this process
    #[arg(value_name = "URL|MODEL")]
    pub(crate) url: String,
    /// The `Host` header, such as `jokemeter.localhost`
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// JSON body to post, several in turn [default: as the server's OpenAPI document describes, else GET]
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Vec<String>,
    /// File of bodies to post in turn: one as JSON, many as `.jsonl` or rows of a `.csv`
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Vec<PathBuf>,
    /// Ask by GET, whatever the server describes
    #[arg(long, conflicts_with_all = ["data", "body"])]
    pub(crate) get: bool,
    /// How long to measure [default: 10s, or until `--requests` are done]
    #[arg(long, value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// How many requests to measure
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// How long to send before measuring begins
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// Connections kept open
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: usize,
    /// Requests per second in all, whether answers come or not [default: as fast as the answers come]
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Open as many connections again, afresh for each request
    #[arg(long)]
    pub(crate) mixed: bool,
    /// Open a connection for each request, and keep none
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Speak HTTP/2 without TLS
    #[arg(long)]
    pub(crate) http2: bool,
    /// How long an answer may take before it counts as failed
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Fail when it holds: `p99>5ms`, `errors>0.1%`, `rate<1000`; may be repeated
    #[arg(long, value_name = "THRESHOLD")]
    pub(crate) fail_on: Vec<crate::load::Threshold>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `pinnace down`.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Name of the cluster
    #[arg(long, default_value = "pinnace")]
    pub(crate) name: String,
    /// Remove everything the cluster kept, too
    #[arg(long)]
    pub(crate) purge: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=0.9).contains(&share) { Ok(share) } else { Err("use a share from 0 to 0.9".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn shells_complete_every_command() {
        use clap::CommandFactory;
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pinnace", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
