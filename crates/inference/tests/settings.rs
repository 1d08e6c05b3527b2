//! Settings: one table, one precedence, and changes while the server runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use inference::Config;
use inference::settings::{self, Layer, Live, Origin, Reloading, SettingsError};

fn base() -> Config {
    Config::new(PathBuf::new())
}

fn layer(origin: Origin, texts: &[(&'static str, &str)]) -> Layer {
    Layer { origin, texts: texts.iter().map(|(key, text)| (*key, (*text).to_owned())).collect() }
}

fn file(folder: &Path, text: &str) -> Result<Layer, SettingsError> {
    let path = folder.join("settings.yaml");
    std::fs::write(&path, text).unwrap();
    settings::from_file(&path)
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let flags = layer(Origin::Flag, &[("port", "1")]);
    let environment = layer(Origin::Environment, &[("port", "2"), ("drain", "2s")]);
    let file = layer(Origin::File, &[("port", "3"), ("drain", "3s"), ("limits.body", "3Ki")]);
    // in whatever order they come
    let config = settings::assemble(base(), &[environment, file, flags]).unwrap();
    assert_eq!((config.port, config.drain, config.limits.max_body), (1, Duration::from_secs(2), 3072));
    assert_eq!(config.limits.read_timeout, base().limits.read_timeout);
}

#[test]
fn every_setting_reads_what_it_shows_and_has_names_of_its_own() {
    let mut flags: Vec<String> = settings::all().iter().map(settings::Setting::flag).collect();
    let mut variables: Vec<String> = settings::all().iter().map(settings::Setting::environment).collect();
    for names in [&mut flags, &mut variables] {
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
    let folder = tempfile::tempdir().unwrap();
    let layers = [layer(Origin::Flag, &[("faults.fail-after", "1500ms"), ("model", "s3://a/b: c#d")])];
    let config = settings::assemble(base(), &layers).unwrap();
    let printed = settings::print(&config, &layers);
    let again = settings::assemble(base(), &[file(folder.path(), &printed).unwrap()]).unwrap();
    assert_eq!(format!("{config:?}"), format!("{again:?}"), "{printed}");
    assert!(
        printed.contains("fail-after: 1500ms")
            && printed.contains("(flag; --fail-after, PINNACE_FAIL_AFTER)")
    );
}

#[test]
fn a_file_is_yaml_or_json_with_headings_or_dotted_keys() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &[(&'static str, &str)]| {
        assert_eq!(file(folder.path(), text).unwrap(), layer(Origin::File, expected), "{text:?}");
    };
    check("", &[]);
    check("# nothing yet\n", &[]);
    check("port: 80\nlimits:\n  read_timeout: 5s\n", &[("port", "80"), ("limits.read-timeout", "5s")]);
    check("limits.body: 1Mi\nlog: ~\n", &[("limits.body", "1Mi")]);
    check(r#"{"model": "s3://a/b", "limits": {"body": 5}}"#, &[("model", "s3://a/b"), ("limits.body", "5")]);
}

#[test]
fn what_a_file_can_not_mean_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &[&str]| {
        let error = file(folder.path(), text).unwrap_err().to_string();
        for part in expected.iter().chain(&["settings.yaml"]) {
            assert!(error.contains(part), "no `{part}` in `{error}`");
        }
    };
    check("prot: 80", &["`prot`", "did you mean `port`?"]);
    check("limits:\n  boody: 80", &["`limits.boody`", "did you mean `limits.body`?"]);
    check("completely-else: 80", &["--print-config"]);
    check("- port", &["mapping"]);
    check("port: [", &["no YAML"]);
    check("limits: 5", &["`limits`"]);
    check(&format!("port: {}", "9".repeat(2 << 20)), &["no file of settings"]);
    let deep = "a:\n".to_owned() + &(1..2000).map(|depth| " ".repeat(depth) + "a:\n").collect::<String>();
    assert!(file(folder.path(), &deep).is_err());
    let layers = [layer(Origin::Environment, &[("port", "eighty")])];
    let error = settings::assemble(base(), &layers).unwrap_err().to_string();
    assert_eq!(
        error,
        "the setting `port` (by environment) can't be `eighty`: it must be a number from 0 to 65535"
    );
}

#[test]
fn the_environment_may_hold_empty_values_and_those_of_a_service() {
    let variables = |name: &str| match name {
        "PINNACE_PORT" => Some("tcp://10.96.0.7:80".to_owned()),
        "PINNACE_DRAIN" => Some(String::new()),
        "ML_MODEL_PATH" => Some("/models/lr.model".to_owned()),
        _ => None,
    };
    let expected = layer(Origin::Environment, &[("model", "/models/lr.model")]);
    assert_eq!(settings::from_environment(variables), expected);
}

/// A ConfigMap's file is a symbolic link through a folder that is swapped as a whole.
#[tokio::test]
async fn a_swapped_file_changes_what_is_live_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("settings.yaml"), text).unwrap();
        std::os::unix::fs::symlink(name, folder.path().join("..new")).unwrap();
        std::fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
    };
    put("one", "log: warn\nport: 1");
    let path = folder.path().join("settings.yaml");
    std::os::unix::fs::symlink("..data/settings.yaml", &path).unwrap();
    let fixed = vec![layer(Origin::Flag, &[("drain", "7s")])];
    let (config, _) = settings::load(&base(), Some(&path), &fixed).unwrap();
    let live = Live::new(config);
    let mut changes = live.subscribe();
    let following = tokio::spawn(Reloading { base: base(), path, fixed }.follow(live.clone()));
    let mut swapped = 0;
    for (text, expected) in [
        // no YAML, an unknown key: everything stays; then the good one comes
        ("limits: [", None),
        ("limit: 5", None),
        ("log: debug\ndrain: 9s\nport: 2", Some("debug")),
    ] {
        swapped += 1;
        put(&format!("two{swapped}"), text);
        if let Some(expected) = expected {
            tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
            assert_eq!(live.get().log, expected);
        }
    }
    // the flag wins still, and the port needs a restart
    assert_eq!((live.get().drain, live.get().port), (Duration::from_secs(7), 1));
    following.abort();
}
