//! Malicious pickles, in the styles that scanners of pickles test with, and honest ones.

use super::*;

fn inspected(name: &str, bytes: &[u8]) -> Inspection {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    inspect(&path).unwrap()
}

/// What is dangerous in a pickle, by name.
fn dangers(bytes: &[u8]) -> Vec<String> {
    let calls = inspected("model.pkl", bytes).calls.unwrap();
    calls.into_iter().filter(|call| call.danger == Danger::Dangerous).map(|call| call.name).collect()
}

#[test]
fn what_a_malicious_pickle_would_have_run_is_named() {
    let check = |bytes: &[u8], expected: &[&str]| {
        assert_eq!(dangers(bytes), expected, "{:?}", String::from_utf8_lossy(bytes))
    };
    check(b"cos\nsystem\n(S'true'\ntR.", &["os.system"]);
    check(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", &["posix.system"]);
    check(b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x01x\x85R.", &["builtins.exec"]);
    check(b"c__builtin__\neval\n(S'1'\ntR.", &["__builtin__.eval"]);
    // an instance made by INST and by OBJ
    check(b"(S'true'\nios\nsystem\n.", &["os.system"]);
    check(b"(csubprocess\nPopen\nS'true'\no.", &["subprocess.Popen"]);
    // hidden behind getattr, and called
    check(
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR(S'true'\ntR.",
        &["builtins.getattr", "builtins.getattr(os.system, \"x\")", "os.system"],
    );
    // popped from the stack, so that the object looks honest
    check(b"cos\nsystem\n(S'true'\ntR0]q\x00.", &["os.system"]);
    // only imported
    check(b"cos\nsystem\n0N.", &["os.system"]);
    // a module below a dangerous one, and one that only begins like it
    check(b"cos.path\njoin\n(tR.", &["os.path.join"]);
    check(b"costume\nwear\n(tR.", &[]);
}

#[test]
fn the_kernel_is_named_and_measured() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let check = |file: &str, expected: &str| {
        let inspection = inspect(&data.join(file)).unwrap();
        let model = inspection.model.unwrap_or_else(|| panic!("{file}: {:?}", inspection.refusal));
        let kernel = model.kernel.unwrap_or_default();
        assert!(kernel.contains(expected), "{file}: {kernel}");
        assert!(model.seconds_alone.is_some_and(|time| time > 0.0), "{file}");
        assert!(model.seconds_in_batch.is_some_and(|time| time > 0.0), "{file}");
    };
    check("1.9/forest.zlib.joblib", "trees by masks of leaves; ");
    check("1.9/words_lr.zlib.joblib", "weights in double precision");
    check("mlflow/3/xgboost", "4 trees by masks of leaves; ");
    check("mlflow/3/onnx", "nodes one after the other, all rows at once");
}

/// The corpus that must run nothing is also told for what it is.
#[test]
fn every_malicious_file_of_the_corpus_is_marked() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/malicious");
    let (mut marked, mut pickles) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inspection = inspect(&path).unwrap();
        if let Some(calls) = inspection.calls {
            pickles += 1;
            let is_marked = calls.first().is_some_and(|call| call.danger != Danger::Usual);
            marked += usize::from(is_marked);
            if !is_marked {
                println!("nothing marked: {path:?} {calls:?}");
            }
        }
    }
    assert!(marked * 10 >= pickles * 6 && marked > 30, "only {marked} of {pickles} were marked");
}

#[test]
fn damage_behind_the_payload_hides_nothing() {
    let inspection = inspected("model.pkl", b"\x80\x04cos\nsystem\n(S'true'\ntR\xff");
    assert_eq!(inspection.calls.unwrap()[0].name, "os.system");
    assert!(inspection.model.is_none() && !inspection.refusal.is_empty());
    assert!(inspection.warnings[0].contains("before the damage"));
}

#[test]
fn an_honest_pipeline_is_a_tree_with_its_parameters() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/1.6/words_lr.zlib.joblib");
    let inspection = inspect(&path).unwrap();
    assert!(inspection.calls.unwrap().iter().all(|call| call.danger == Danger::Usual));
    let [pipeline] = inspection.outline.as_slice() else { panic!("{:?}", inspection.outline) };
    let kinds: Vec<&str> = pipeline.parts.iter().map(|part| part.kind.as_str()).collect();
    assert_eq!((pipeline.kind.as_str(), kinds), ("Pipeline", vec!["TfidfVectorizer", "LogisticRegression"]));
    assert!(pipeline.parts[0].parameters.contains(&("lowercase".to_owned(), "True".to_owned())));
    let model = inspection.model.unwrap();
    assert_eq!(model.input, "text");
    assert!(model.seconds_alone.is_some());
}
