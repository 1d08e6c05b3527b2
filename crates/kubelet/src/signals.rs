//! Signals by name, as pods and images write them.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use crate::container_spec::STOP_SIGNAL_LABEL;

/// The first signal that the kernel leaves to programs, less what the C library keeps.
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;

/// Returns the signal by which a container is asked to stop: the pod's word, else the image's, else
/// SIGTERM.
pub(crate) fn stop_signal(of_pod: Option<&str>, labels: &BTreeMap<String, String>) -> i32 {
    let of_image = labels.get(STOP_SIGNAL_LABEL).map(String::as_str);
    of_pod.and_then(parse).or_else(|| of_image.and_then(parse)).unwrap_or(Signal::SIGTERM as i32)
}

/// Returns the number of `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3`, `RTMAX-1`; `None` for what is no signal.
fn parse(text: &str) -> Option<i32> {
    let upper = text.trim().to_uppercase();
    if let Ok(number) = upper.parse::<i32>() {
        return (1..=LAST_REAL_TIME).contains(&number).then_some(number);
    }
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |rest: &str, sign: char| match rest.strip_prefix(sign) {
        Some(offset) => offset.parse::<i32>().ok(),
        None => rest.is_empty().then_some(0),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => FIRST_REAL_TIME + offset(rest, '+')?,
        (None, Some(rest)) => LAST_REAL_TIME - offset(rest, '-')?,
        (None, None) => format!("SIG{name}").parse::<Signal>().ok()? as i32,
    };
    (1..=LAST_REAL_TIME).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_images_write_them() {
        let check = |text: &str, expected| assert_eq!(parse(text), expected, "{text}");
        check("SIGQUIT", Some(3));
        check("winch", Some(28));
        check("15", Some(15));
        check("SIGRTMIN+3", Some(37));
        check("RTMAX-1", Some(63));
        check("SIGNOTHING", None);
        check("0", None);
        check("SIGRTMIN+99", None);
    }

    #[test]
    fn the_pods_word_comes_before_the_images() {
        let labels = BTreeMap::from([(STOP_SIGNAL_LABEL.to_owned(), "SIGQUIT".to_owned())]);
        assert_eq!(stop_signal(Some("SIGINT"), &labels), 2);
        assert_eq!(stop_signal(None, &labels), 3);
        assert_eq!(stop_signal(None, &BTreeMap::new()), 15);
    }
}
