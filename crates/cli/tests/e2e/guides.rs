//! The guides, word by word: their commands are run in order, their outputs compared.
//!
//! A block `sh` is run as it stands, in a copy of the repository's examples. A block `text` after it is what its last
//! command shows, at the latest after a while; `…` stands for anything, several spaces for one. A block `sh` marked
//! `fails` must fail, one marked `shown` is only read. Ports are those of the test's own cluster.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::{User, everyone, repository};
use crate::toolbox;

/// Longest wait for what a page shows: a program that starts slowly, one that crashes, an autoscaler.
const PATIENCE: Duration = Duration::from_secs(180);

/// A command of a page and what it shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    line: usize,
    command: String,
    fails: bool,
    shows: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fence: Option<String> = None;
    for (number, line) in page.lines().enumerate() {
        match (&fence, line.strip_prefix("```")) {
            (None, Some(kind)) => {
                if kind == "sh" || kind == "sh fails" {
                    steps.push(Step { line: number + 1, fails: kind != "sh", ..Step::default() });
                }
                fence = Some(kind.to_owned());
            }
            (Some(_), Some("")) => fence = None,
            (Some(kind), _) if kind == "text" => {
                let step = steps.last_mut().expect("a command before what is shown");
                step.shows.push(line.to_owned());
            }
            (Some(kind), _) if kind == "sh" || kind == "sh fails" => {
                let step = steps.last_mut().expect("a block that was opened");
                step.command += line;
                step.command.push('\n');
            }
            (None | Some(_), _) => {}
        }
    }
    steps
}

impl Step {
    /// The last command, which may be repeated: it only looks.
    fn look(&self) -> Option<&str> {
        const LOOKS: [&str; 8] = [
            "kubectl get",
            "kubectl describe",
            "kubectl top",
            "kubectl logs",
            "kubectl rollout history",
            "pinnace why",
            "pinnace status",
            "curl",
        ];
        let last = self.command.trim_end().lines().last()?;
        LOOKS.iter().any(|look| last.starts_with(look)).then_some(last)
    }

    /// The first line that is not shown, in the page's order.
    fn missing(&self, said: &str) -> Option<&str> {
        let mut lines = said.lines().map(squeeze);
        self.shows.iter().find(|shown| !lines.any(|line| is_like(&line, &squeeze(shown)))).map(String::as_str)
    }
}

fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells whether a line is as shown, where `…` stands for anything.
fn is_like(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    for part in &parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    parts.last().map_or(rest.is_empty(), |last| last.is_empty() || rest.is_empty() || line.ends_with(last))
}

/// A reader at a terminal.
struct Reader<'a> {
    user: &'a User,
}

impl<'a> Reader<'a> {
    /// `pinnace` is on the reader's PATH, and its cluster has ports of its own. Written once: a command in the
    /// background may read it late.
    fn new(user: &'a User) -> Self {
        let ports = &user.up_words()[2..];
        let wrapper = format!(
            "#!/bin/sh\ncase $1 in up) shift; exec {pinnace} up {} \"$@\";; esac\nexec {pinnace} \"$@\"\n",
            ports.join(" "),
            pinnace = user.pinnace_path().display()
        );
        let bin = user.write("bin/pinnace", &wrapper);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&bin, mode).unwrap();
        Self { user }
    }

    /// The shell that a reader has.
    fn run(&self, command: &str) -> Output {
        let user = self.user;
        let command = command
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", user.http_port))
            .replace("127.0.0.1:8443", &format!("127.0.0.1:{}", user.https_port));
        let path = format!("{}:{}", user.home().join("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = user.prepare(Path::new("timeout"));
        // Shells of different kinds are at hand; all of them stop at the first failure here.
        shell.args(["--kill-after=5", "600", "sh", "-ec", &command]).env("PATH", path);
        shell.current_dir(user.home().join("repository")).output().unwrap()
    }

    fn follow(&self, page: &str, step: &Step) {
        let output = self.run(&step.command);
        let mut said = said(&output);
        let place = format!("{page}, line {}", step.line);
        assert_eq!(output.status.success(), !step.fails, "{place}:\n{}\n{said}", step.command);
        let deadline = Instant::now() + PATIENCE;
        while let Some(missing) = step.missing(&said) {
            let look = step.look().filter(|_| Instant::now() < deadline);
            let Some(look) = look else {
                // What commands in the background said of themselves.
                let load = std::fs::read_to_string(self.user.home().join("repository/load.txt"));
                panic!("{place}:\n{}\ndoes not show `{missing}`, but:\n{said}\n{load:?}", step.command)
            };
            std::thread::sleep(Duration::from_millis(200));
            said = self::said(&self.run(look));
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn read(page: &str) -> String {
    std::fs::read_to_string(repository().join(page)).unwrap()
}

/// Follows a page from a fresh home folder to its end.
fn follow(user: &User, page: &str) {
    let copied = user.home().join("repository");
    std::fs::create_dir_all(&copied).unwrap();
    let examples = repository().join("examples");
    assert!(Command::new("cp").arg("-r").arg(examples).arg(&copied).status().unwrap().success());
    user.give(user.home().to_str().unwrap());
    let reader = Reader::new(user);
    let steps = steps(&read(page));
    assert!(!steps.is_empty(), "{page} has no commands");
    for step in &steps {
        reader.follow(page, step);
    }
}

#[test]
fn the_experiments_show_what_the_page_shows() {
    for who in everyone() {
        follow(&User::new(who), "docs/guide/experiments.md");
    }
}

#[test]
fn the_experiments_are_the_same_in_both_languages() {
    let shorn = |page: &str| -> Vec<(String, Vec<String>)> {
        steps(&read(page)).into_iter().map(|step| (step.command, step.shows)).collect()
    };
    assert_eq!(shorn("docs/guide/experiments.md"), shorn("docs/guide/experiments.ru.md"));
}

#[test]
fn the_other_pages_show_what_they_show() {
    for who in everyone() {
        for page in PAGES {
            let user = User::new(who);
            toolbox::load(&user);
            follow(&user, page);
        }
    }
}

const PAGES: [&str; 7] = [
    "README.md",
    "docs/guide/model-server.md",
    "docs/guide/serving.md",
    "docs/guide/training.md",
    "docs/guide/cluster.md",
    "docs/guide/networking.md",
    "docs/guide/troubleshooting.md",
];

#[test]
fn shown_lines_are_compared_with_their_gaps() {
    for (line, shown, expected) in [
        ("a b", "a b", true),
        ("a b c", "a b", false),
        ("web-1 1/1 Running 0 5s", "web-… 1/1 Running 0 …", true),
        ("web-1 0/1 Running 0 5s", "web-… 1/1 Running 0 …", false),
        ("x 0/2 nodes", "… 0/2 nodes …", true),
        ("0 failed", "… 0 failed", true),
        ("0 failed, more", "… 0 failed", false),
    ] {
        assert_eq!(is_like(line, shown), expected, "{line:?} against {shown:?}");
    }
}
