use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;

use super::*;

struct Log(tempfile::TempDir);

impl Log {
    fn new(newest: &str) -> Self {
        let log = Self(tempfile::tempdir().unwrap());
        std::fs::write(log.path(), newest).unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("0.log")
    }

    fn add(&self, text: &str) {
        let mut known = std::fs::read_to_string(self.path()).unwrap_or_default();
        known.push_str(text);
        std::fs::write(self.path(), known).unwrap();
    }

    fn rotate(&self) {
        std::fs::rename(self.path(), self.0.path().join("0.log.1")).unwrap();
        std::fs::write(self.path(), "").unwrap();
    }

    async fn read(&self, options: Options) -> String {
        let chunks = open(self.path(), options, || false).await.unwrap();
        collect(chunks).await
    }
}

async fn collect(chunks: Chunks) -> String {
    let chunks: Vec<_> = chunks.map(|chunk| chunk.unwrap()).collect().await;
    String::from_utf8(chunks.concat()).unwrap()
}

fn lines(range: std::ops::Range<u32>) -> String {
    range.fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "2026-11-20T07:00:{:02}.000000000Z stdout F line {number}", number % 60);
        text
    })
}

fn plain(range: std::ops::Range<u32>) -> String {
    range.map(|number| format!("line {number}\n")).collect()
}

#[tokio::test]
async fn a_log_is_read_whole_across_its_rotated_files() {
    let log = Log::new(&lines(0..30));
    log.rotate();
    log.add(&lines(30..40));
    assert_eq!(log.read(Options::default()).await, plain(0..40));
}

#[tokio::test]
async fn the_last_lines_are_found_in_any_file_and_block() {
    let log = Log::new(&lines(0..5000));
    log.rotate();
    log.add(&lines(5000..5003));
    for (tail, from) in [(0, 5003), (1, 5002), (3, 5000), (4, 4999), (4000, 1003), (9000, 0)] {
        let options = Options { tail_lines: Some(tail), ..Options::default() };
        assert_eq!(log.read(options).await, plain(from..5003), "the last {tail}");
    }
}

#[tokio::test]
async fn the_last_lines_are_those_of_the_moment_they_were_asked_for() {
    let log = Log::new("");
    log.add(&lines(0..10));
    let options = Options { tail_lines: Some(2), ..Options::default() };
    let chunks = open(log.path(), options, || true).await.unwrap();
    // A container that writes faster than anybody reads.
    log.add(&lines(10..5000));
    assert_eq!(collect(chunks).await, plain(8..10));
}

#[tokio::test]
async fn the_last_lines_are_found_while_the_files_are_rotated() {
    let log = Log::new("");
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (path, is_over) = (log.path(), Arc::clone(&is_over));
        let name = move |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
        let path = log.path();
        // As the shim does: five files, each renamed, then a new one.
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::fs::write(&path, lines(0..50)).unwrap();
                for number in (1..4).rev() {
                    let _ = std::fs::rename(name(number), name(number + 1));
                }
                std::fs::rename(&path, name(1)).unwrap();
                // Faster than any container fills a file, and not without a pause.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        })
    };
    while !log.path().with_extension("log.4").exists() {
        tokio::task::yield_now().await;
    }
    for _ in 0..500 {
        let told = log.read(Options { tail_lines: Some(60), ..Options::default() }).await;
        assert_eq!(told.lines().count(), 60, "{told}");
    }
    is_over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn parts_of_a_line_come_back_as_one_and_count_once() {
    let log = Log::new(
        "2026-11-20T07:00:00.000000000Z stdout F one\n2026-11-20T07:00:01.000000000Z stdout P tw\n\
         2026-11-20T07:00:01.000000000Z stdout F o\n2026-11-20T07:00:02.000000000Z stderr F three\n",
    );
    assert_eq!(log.read(Options::default()).await, "one\ntwo\nthree\n");
    assert_eq!(log.read(Options { tail_lines: Some(2), ..Options::default() }).await, "two\nthree\n");
    let stdout = Options { stream: Some(Stream::Stdout), tail_lines: Some(1), ..Options::default() };
    assert_eq!(log.read(stdout).await, "two\n");
}

#[tokio::test]
async fn times_bytes_and_moments_limit_what_is_read() {
    let log = Log::new(&lines(0..3));
    let stamped = Options { timestamps: true, tail_lines: Some(1), ..Options::default() };
    assert_eq!(log.read(stamped).await, "2026-11-20T07:00:02.000000000Z line 2\n");
    assert_eq!(log.read(Options { limit_bytes: Some(9), ..Options::default() }).await, "line 0\nli");
    let since = Options { since: "2026-11-20T07:00:01Z".parse().ok(), ..Options::default() };
    assert_eq!(log.read(since).await, plain(1..3));
}

#[tokio::test]
async fn a_follower_reads_over_a_rotation_to_the_containers_end() {
    let log = Log::new(&lines(0..2));
    let (live, is_live) = tokio::sync::watch::channel(true);
    let options = Options { follow: true, ..Options::default() };
    let mut chunks = open(log.path(), options, move || *is_live.borrow()).await.unwrap();
    let first = chunks.next().await.unwrap().unwrap();
    assert_eq!(first, plain(0..2).as_bytes());

    log.add(&lines(2..3));
    log.rotate();
    log.add(&lines(3..4));
    live.send(false).unwrap();
    assert_eq!(collect(chunks).await, plain(2..4));
}

#[test]
fn the_end_of_a_log_stands_in_for_a_termination_message() {
    let log = Log::new(&lines(0..200));
    assert_eq!(last_lines(&log.path(), 2, 2048).unwrap(), "line 198\nline 199\n");
    assert_eq!(last_lines(&log.path(), 80, 9).unwrap(), "line 199\n");
}
