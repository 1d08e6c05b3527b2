use super::pace::{Pace, Step};
use super::*;

fn settings(success_threshold: u32, failure_threshold: u32) -> Settings {
    Settings {
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(1),
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

#[test]
fn a_probe_waits_for_its_next_turn_in_step_with_the_first() {
    let start = Instant::now() - Duration::from_millis(3500);
    let next = next_tick(start, Duration::from_secs(1));
    assert_eq!(next - start, Duration::from_secs(4));
}
