use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::check::HttpTarget;
use super::pace::{Pace, Step};
use super::*;

fn settings(success_threshold: u32, failure_threshold: u32) -> Settings {
    Settings {
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(10),
        timeout: Duration::from_secs(1),
        success_threshold,
        failure_threshold,
    }
}

/// `s` is a success, `f` a failure, `r` a refusal; the expected verdicts stand after the answers
/// that led to them: `+` ready, `-` not, `.` no change.
fn check(kind: Kind, thresholds: (u32, u32), answers: &str, expected: &str) {
    let mut pace = Pace::new(kind, settings(thresholds.0, thresholds.1));
    let mut verdicts = String::new();
    for answer in answers.chars() {
        let outcome = match answer {
            's' => Outcome::Success,
            'r' => Outcome::Refused(String::new()),
            _ => Outcome::Failure(String::new()),
        };
        let Step { reports, is_over } = pace.take(&outcome);
        verdicts.push(match reports.last() {
            Some(Report::Verdict(true)) => '+',
            Some(Report::Verdict(false)) => '-',
            Some(Report::Unhealthy(_)) | None => '.',
        });
        if is_over {
            break;
        }
    }
    assert_eq!(verdicts, expected, "{kind:?} {thresholds:?} {answers}");
}

#[test]
fn verdicts_follow_the_thresholds() {
    check(Kind::Readiness, (1, 3), "sffs", "+...");
    check(Kind::Readiness, (1, 3), "sfffs", "+..-+");
    check(Kind::Readiness, (2, 1), "ssfss", ".+-.+");
    check(Kind::Readiness, (1, 3), "frfs", "..-+");
    check(Kind::Liveness, (1, 2), "sfsff", "+...-");
    check(Kind::Startup, (1, 3), "ffs", "..+");
    check(Kind::Startup, (1, 2), "ff", ".-");
}

/// An app by what it answers at a moment of its life.
type App = fn(Duration) -> Outcome;

/// Probes an app for a while; returns when it was asked and what was reported, in milliseconds of
/// its life.
async fn watch(kind: Kind, settings: Settings, app: App, life: Duration) -> (Vec<u128>, Vec<(u128, Report)>) {
    let born = Instant::now();
    let asked = Mutex::new(Vec::new());
    let reported = Mutex::new(Vec::new());
    let check = |_| {
        let age = born.elapsed();
        asked.lock().unwrap().push(age.as_millis());
        std::future::ready(app(age))
    };
    let report = |report| {
        reported.lock().unwrap().push((born.elapsed().as_millis(), report));
        std::future::ready(())
    };
    let _ = tokio::time::timeout(life, run(kind, settings, Timestamp::now(), check, report)).await;
    (asked.into_inner().unwrap(), reported.into_inner().unwrap())
}

fn refused() -> Outcome {
    Outcome::Refused("refused".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_listens_at_once_is_ready_at_once_whatever_the_period() {
    let app = |age| if age < Duration::from_millis(40) { refused() } else { Outcome::Success };
    let (_, reports) = watch(Kind::Readiness, settings(1, 3), app, Duration::from_secs(5)).await;
    let [(at, Report::Verdict(true))] = reports[..] else { panic!("{reports:?}") };
    assert!((40..=50).contains(&at), "ready after {at} ms");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_needs_half_a_minute_is_ready_soon_after_and_is_seldom_asked() {
    let app = |age| if age < Duration::from_secs(30) { refused() } else { Outcome::Success };
    let (asked, reports) = watch(Kind::Startup, settings(1, 30), app, Duration::from_secs(60)).await;
    let Some((at, Report::Verdict(true))) = reports.last() else { panic!("{reports:?}") };
    assert!((30_000..=31_100).contains(at), "started after {at} ms");
    assert!(asked.len() < 120, "asked {} times", asked.len());
}

#[tokio::test(start_paused = true)]
async fn an_app_that_answers_is_only_asked_when_its_manifest_says() {
    let app = |age| match age {
        age if age < Duration::from_secs(15) => Outcome::Failure("503".to_owned()),
        _ => Outcome::Success,
    };
    let settings = Settings { initial_delay: Duration::from_secs(2), ..settings(1, 3) };
    let (asked, reports) = watch(Kind::Readiness, settings, app, Duration::from_secs(40)).await;
    assert_eq!(asked, [2000, 12_000, 22_000, 32_000]);
    assert_eq!(reports.last(), Some(&(22_000, Report::Verdict(true))));
}

#[tokio::test(start_paused = true)]
async fn an_app_that_never_listens_has_its_threshold_times_its_period_to_start() {
    let settings = Settings { period: Duration::from_secs(1), ..settings(1, 3) };
    let (_, reports) = watch(Kind::Startup, settings, |_| refused(), Duration::from_secs(60)).await;
    assert_eq!(reports.last(), Some(&(3000, Report::Verdict(false))));
    assert_eq!(reports.len(), 4, "three failures are told, the first look is not one: {reports:?}");
}

#[tokio::test(start_paused = true)]
async fn an_app_that_stops_listening_is_condemned_in_time() {
    let app = |age| if age < Duration::from_millis(4500) { Outcome::Success } else { refused() };
    let settings = Settings { period: Duration::from_secs(1), ..settings(1, 2) };
    let (asked, reports) = watch(Kind::Liveness, settings, app, Duration::from_secs(60)).await;
    assert_eq!(asked, [0, 1000, 2000, 3000, 4000, 5000, 6000]);
    assert_eq!(reports.last(), Some(&(6000, Report::Verdict(false))));
}

/// Serves one answer to each request, over TCP alone.
async fn serve(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let is_moved = request[..count].starts_with(b"GET /moved");
            let _ = stream.write_all(if is_moved { OK } else { answer }.as_bytes()).await;
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn ask(address: SocketAddr) -> Outcome {
    let target = HttpTarget {
        address,
        is_https: false,
        host: address.to_string(),
        path: "/health".to_owned(),
        headers: Vec::new(),
    };
    http_check(&target, Duration::from_millis(300)).await
}

#[tokio::test]
async fn statuses_below_400_are_healthy_and_redirects_are_followed() {
    assert_eq!(ask(serve(OK).await).await, Outcome::Success);
    let moved = "HTTP/1.1 302 Found\r\nlocation: /moved\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(ask(serve(moved).await).await, Outcome::Success);
    let away = "HTTP/1.1 302 Found\r\nlocation: http://example.org/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(ask(serve(away).await).await, Outcome::Success, "another host is not asked");
    let sick = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let expected = Outcome::Failure("HTTP probe failed with statuscode: 503".to_owned());
    assert_eq!(ask(serve(sick).await).await, expected);
}

#[tokio::test]
async fn silence_garbage_and_nobody_are_told_apart() {
    let silent = ask(serve("").await).await;
    assert!(matches!(&silent, Outcome::Failure(why) if why.contains("Get \"http://127.0.0.1")), "{silent:?}");
    let garbage = ask(serve("SSH-2.0-x\r\n").await).await;
    assert!(matches!(garbage, Outcome::Failure(_)), "{garbage:?}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let nobody = ask(address).await;
    assert!(matches!(&nobody, Outcome::Refused(why) if why.contains("connection refused")), "{nobody:?}");
}
