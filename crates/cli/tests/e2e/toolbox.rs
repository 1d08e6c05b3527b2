//! A stock image in small: a shell and a few programs of the Debian that runs the tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::User;

const PROGRAMS: [&str; 20] = [
    "sh",
    "bash",
    "cat",
    "ls",
    "ln",
    "tar",
    "sleep",
    "stty",
    "head",
    "dd",
    "id",
    "sha256sum",
    "rm",
    "mkdir",
    "mknod",
    "mount",
    "find",
    "grep",
    "wc",
    "tr",
];

/// Gives the user the image `toolbox:1`.
pub fn load(user: &User) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for file in files() {
        let place = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(&file, place).unwrap();
    }
    for folder in ["tmp", "proc", "sys", "dev", "etc"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let archive = pack(folder.path(), &root, "toolbox:1");
    let bytes = std::fs::read(archive).unwrap();
    let given = user.write("toolbox.tar", "");
    std::fs::write(&given, bytes).unwrap();
    user.pinnace(&["image", "load", "-i", &given]);
}

/// The programs and the libraries that they load.
fn files() -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for program in PROGRAMS {
        let path = said("sh", &["-c", &format!("command -v {program}")]).trim().to_owned();
        let libraries = said("ldd", &[&path]);
        let words = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        files.extend(words.map(str::to_owned));
        files.insert(path);
    }
    files
}

/// Writes an image of one layer, `root`, as `docker save` does.
pub fn pack(folder: &Path, root: &Path, tag: &str) -> std::path::PathBuf {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (layer, archive) = (at("layer.tar"), at("image.tar"));
    said("tar", &["-C", root.to_str().unwrap(), "--owner=0", "--group=0", "-cf", &layer, "."]);
    let sum = said("sha256sum", &[&layer]);
    let digest = sum.split_whitespace().next().unwrap();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]);
    std::fs::write(at("config.json"), config.to_string()).unwrap();
    std::fs::write(at("manifest.json"), manifest.to_string()).unwrap();
    let names = ["manifest.json", "config.json", "layer.tar"];
    said("tar", &[&["-C", folder.to_str().unwrap(), "-cf", &archive], &names[..]].concat());
    archive.into()
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
