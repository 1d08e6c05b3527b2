//! What becomes of output.

use container::{Error, LogLimits};
use nix::mount::{MsFlags, mount, umount};

use crate::world::{World, end_of};

pub(crate) async fn a_flood_is_rotated(world: &World) {
    let sandbox = world.sandbox("flood").await;
    let mut spec = world.container("flood", &["flood", "200000"]);
    spec.log_limits = LogLimits { max_bytes: 1 << 20, max_files: 3 };
    sandbox.start(spec).await.unwrap();
    end_of(&sandbox, "flood").await;
    let log = world.log("flood");
    let newest = world.log_path("flood").with_extension("log.1");
    let last = log
        .lines()
        .last()
        .map(ToOwned::to_owned)
        .or_else(|| std::fs::read_to_string(&newest).unwrap().lines().last().map(ToOwned::to_owned));
    assert!(last.unwrap().contains("line 00199999"));
    let folder = world.log_path("flood").parent().unwrap().to_owned();
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let sizes: Vec<u64> = files
        .filter(|file| file.file_name().to_string_lossy().starts_with("flood.log"))
        .map(|file| file.metadata().unwrap().len())
        .collect();
    assert_eq!(sizes.len(), 3);
    assert!(sizes.iter().all(|size| *size < (1 << 20) + (256 << 10)), "{sizes:?}");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn long_lines_are_split(world: &World) {
    let sandbox = world.sandbox("long").await;
    let line = "x".repeat(40_000);
    sandbox.start(world.container("long", &["say", &line])).await.unwrap();
    end_of(&sandbox, "long").await;
    let log = world.log("long");
    let pieces: Vec<(&str, usize)> = log.lines().map(|line| (&line[..8], line.len() - 9)).collect();
    assert_eq!(pieces, [("stdout P", 16384), ("stdout P", 16384), ("stdout F", 40_000 - 2 * 16384)]);
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_log_that_cannot_be_made_fails_the_start(world: &World) {
    let sandbox = world.sandbox("nolog").await;
    let mut spec = world.container("nolog", &["wait"]);
    spec.log_path = Some("/proc/nowhere/0.log".into());
    let error = sandbox.start(spec).await.unwrap_err();
    assert!(
        matches!(&error, Error::Container { message } if message.contains("/proc/nowhere/0.log")),
        "{error}"
    );
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_full_disk_loses_lines_but_stops_nobody(world: &World) {
    let disk = world.folder.join("small-disk");
    std::fs::create_dir_all(&disk).unwrap();
    let size = Some("size=256k");
    mount(Some("tmpfs"), &disk, Some("tmpfs"), MsFlags::empty(), size).unwrap();
    let sandbox = world.sandbox("full").await;
    let mut spec = world.container("full", &["flood", "10000"]);
    spec.log_path = Some(disk.join("full.log"));
    sandbox.start(spec).await.unwrap();
    assert_eq!(end_of(&sandbox, "full").await.code, 0);
    let text = std::fs::read_to_string(disk.join("full.log")).unwrap();
    assert!(text.ends_with('\n'));
    let is_whole = |line: &str| {
        (line.contains(" stdout F line 0") && line.ends_with("xxx"))
            || line.contains(" log entries before this one were lost")
    };
    let broken: Vec<&str> = text.lines().filter(|line| !is_whole(line)).collect();
    assert_eq!(broken, [""; 0]);
    assert!(text.lines().count() < 10_000);
    sandbox.destroy().await.unwrap();
    umount(&disk).unwrap();
}
