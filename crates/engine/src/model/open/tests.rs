//! Files that are no models, damaged models, and models made to do harm.

use std::error::Error;
use std::fs;
use std::path::Path;

use super::*;
use crate::fitted::Takes;
use crate::model::Input;
use crate::train::{Algorithm, ColumnKind, Columns, Dataset, Options, train};

/// The message and its causes, the path replaced.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.pkl");
    fs::write(&path, bytes).unwrap();
    let error = Model::open(&path).expect_err("this is no model");
    told(&error).replace(&path.display().to_string(), "m.pkl")
}

pub(crate) fn told(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

fn check(bytes: &[u8], expected: &str) {
    let message = refusal(bytes);
    assert!(message.contains(expected), "{message}");
}

#[test]
fn files_that_are_no_models_are_told_for_what_they_are() {
    check(b"", "`m.pkl` is empty, not a model file");
    check("text,label\nпривет,1\n".as_bytes(), "is a text file");
    check(b"PK\x03\x04....", "is a zip archive");
    check(b"BZh91AY&SY", "failed to decompress `m.pkl`");
    check(&[0xfd, b'7', b'z', b'X', b'Z', 0, 0], "failed to decompress `m.pkl`");
    check(&[0x04, 0x22, 0x4d, 0x18, 0], "failed to decompress `m.pkl`");
    check(&[0x5d, 0, 0, 0, 0xff, 1, 2, 3, 4, 5, 6, 7, 8], "failed to decompress `m.pkl`");
    check(&[0x28, 0xb5, 0x2f, 0xfd, 0], "is compressed by zstd");
    check(&[0x78, 0x9c, 1, 2, 3], "failed to decompress `m.pkl`");
    check(b"\x00\x01", "is a file of an unknown kind");
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Model::open(folder.path()), Err(OpenError::Directory { .. })));
    assert!(matches!(Model::open(&folder.path().join("none")), Err(OpenError::Read { .. })));
}

#[test]
fn pickles_of_other_things_are_told_for_what_they_hold() {
    check(b"\x80\x04N.", "it holds None, not a scikit-learn model (nothing in it was run)");
    check(b"\x80\x04]K\x01a.", "it holds a list of 1, not");
    check(b"\x80\x04}\x8c\x05modelK\x01s.", "it holds a dictionary of 1, not");
    let class = b"\x80\x04\x8c\x14sklearn.svm._classes\x8c\x03SVX\x93)\x81}b.";
    check(class, "`sklearn.svm._classes.SVX` is not supported: `docs/models.md` lists");
    check(b"\x80\x06N.", "pickle protocol 6 is not known");
    check(b"\x80\x04Q.", "it refers to a persistent object outside the file");
    check(b"\x80\x04\xff", "byte 2 (0xff) is no pickle opcode");
    check(b"\x80\x04a.", "the opcode at byte 2 finds nothing on the stack");
    check(b"\x80\x04X\xff\xff\xff\xff", "it breaks off at byte 7");
    check(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "it breaks off");
}

#[test]
fn a_call_in_a_pickle_is_named_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let harm = folder.path().join("harm");
    let command = format!("touch {}", harm.display());
    let old = format!("cos\nsystem\n(S'{command}'\ntR.");
    check(old.as_bytes(), "`os.system` is not supported");
    let length = u8::try_from(command.len()).unwrap();
    let new = [b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c", &[length][..], command.as_bytes(), b"\x85R."]
        .concat();
    check(&new, "`posix.system` is not supported");
    assert!(!harm.exists());
}

/// Files that would reach out of themselves if Python loaded them; `tests/data/malicious.py` makes
/// them. Nothing of them happens here, and each is refused in a line of plain words.
#[test]
fn hostile_files_run_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/malicious");
    let mut refused = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let error = Model::open(&path).expect_err(&path.display().to_string());
        let message = told(&error);
        assert!(message.len() < 500, "{message}");
        assert!(!message.contains(|character: char| character.is_control()), "{message:?}");
        refused += 1;
    }
    assert!(refused > 80, "only {refused} hostile files");
    assert!(!Path::new("pinnace-was-here").exists());
}

#[test]
fn bombs_cost_no_memory() {
    // a billion-laughs list: each level holds the one below twice
    let mut laughs = b"\x80\x04].q\0".to_vec();
    laughs.truncate(3);
    laughs.extend(b"q\0");
    for level in 1..100u8 {
        laughs.extend([b']', b'q', level, b'(', b'h', level - 1, b'h', level - 1, b'e']);
    }
    laughs.push(b'.');
    check(&laughs, "it holds a list of 2");
    // a list inside a list inside a list …
    let mut deep = b"\x80\x04".to_vec();
    deep.extend(vec![b']'; 100_000]);
    deep.extend(vec![b'a'; 99_999]);
    deep.push(b'.');
    check(&deep, "it holds a list of 1");
    // a memo number far away
    check(b"\x80\x04Nr\xff\xff\xff\xff.", "it holds None");
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zeros, &vec![0; 100 << 20]).unwrap();
    check(&zeros.finish().unwrap(), "is a file of an unknown kind");
}

#[test]
fn what_is_not_reproduced_is_refused_by_name() {
    let path = |case: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/1.6").join(case);
    let original = fs::read(path("words_lr.p5.pkl")).unwrap();
    let swapped = |from: &[u8], to: &[u8]| {
        assert_eq!(from.len(), to.len());
        let at = original.windows(from.len()).position(|window| window == from);
        let at = at.unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(from)));
        [&original[..at], to, &original[at + from.len()..]].concat()
    };
    let check = |from: &[u8], to: &[u8], expected: &str| check(&swapped(from, to), expected);
    check(b"\x8c\x07content", b"\x8c\x07unknown", "`TfidfVectorizer(input=\"unknown\")` is not supported");
    check(b"\x8c\x04word", b"\x8c\x04wurd", "`TfidfVectorizer(analyzer=\"wurd\")` is not supported");
    check(b"\x8c\x04norm\x94\x8c\x02l2", b"\x8c\x04norm\x94\x8c\x02l3", "(norm=\"l3\")` is not supported");
    check(b"\x8c\x0dstrip_accents", b"\x8c\x0dstrip_acc_nts", "has the parameter `strip_acc_nts`, which");
    check(b"\x8c\x05coef_", b"\x8c\x05cuef_", "has no attribute `coef_`: was it fitted");
    check(b"\x8c\x0bmulti_class", b"\x8c\x0bmulti_cla_s", "has the parameter `multi_cla_s`, which");
    check(b"1.6.1", b"0.9.1", "it was saved by scikit-learn 0.9.1: the engine opens models of 1.0 and newer");
    check(b"LogisticRegression", b"LogisticRegressing", "LogisticRegressing` is not supported");
    check(b"float64", b"float32", "(dtype=`numpy.float32`)` is not supported");
}

/// A seeded walk through damaged files: whatever the bytes, an answer or an error.
#[test]
fn damaged_models_are_refused_without_panic() {
    let rounds = rounds(40);
    let mut random = fastrand::Rng::with_seed(1);
    let mut opened = 0;
    for (_, _, path) in crate::sklearn::tests::files() {
        let packed = fs::read(&path).unwrap();
        let sound = match packing::sniff(&packed) {
            Some(Packing::Known(packing)) => {
                take(packing::unpacker(&packed[..], packing).unwrap(), 0).unwrap()
            }
            _ => packed,
        };
        for _ in 0..rounds {
            let damaged = damage(&sound, &mut random);
            opened += usize::from(survives(&damaged));
        }
    }
    println!("{opened} of the damaged models opened and answered");
}

#[test]
fn damaged_own_models_are_refused_without_panic() {
    let rounds = rounds(2_000);
    let mut random = fastrand::Rng::with_seed(2);
    let mut opened = 0;
    let texts = ["кот и пёс", "пёс и кот", "дождь", "снег и дождь"].map(str::to_owned).to_vec();
    let texts = Dataset::from_texts(texts, &["a", "a", "b", "b"].map(str::to_owned));
    let table = "n,c,t,label\n1,x,раз два три,a\n,y,два,b\n3,x,три и раз,a\n4,,раз,b\n".as_bytes();
    let columns = Columns {
        kinds: vec![("c".to_owned(), ColumnKind::Category), ("t".to_owned(), ColumnKind::Text)],
        ..Columns::beside("label")
    };
    let table = Dataset::read_from(Box::new(table), "t.csv", &columns).unwrap();
    let algorithms = [Algorithm::Logistic, Algorithm::Tree, Algorithm::Forest, Algorithm::Boosting];
    for (dataset, algorithm) in [&texts, &table].into_iter().flat_map(|set| algorithms.map(|a| (set, a))) {
        let mut options = Options { held_out: 0.0, ..Options::new(algorithm) };
        options.parameters.n_estimators = 3;
        options.parameters.max_iter = 3;
        let trained = train(dataset, &options, &mut |_| ()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.model");
        trained.model.save(&path).unwrap();
        let sound = fs::read(&path).unwrap();
        assert!(survives(&sound));
        for length in 0..sound.len() {
            assert!(!survives(&sound[..length]), "cut to {length} bytes");
        }
        for _ in 0..rounds {
            let damaged = damage(&sound, &mut random);
            opened += usize::from(file::resealed(&damaged).is_some_and(|sealed| survives(&sealed)));
            survives(&damaged);
        }
    }
    println!("{opened} of the damaged models opened under a new checksum");
    assert!(opened > 100, "only {opened} got past the header");
}

/// The safetensors of other programs, and our files of before.
#[test]
fn other_safetensors_and_old_files_are_refused_with_advice() {
    let header = br#"{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"__metadata__":{"format":"pt"}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0, 0]].concat();
    check(&file, "safetensors file of another program (`pt`)");
    let old = [&b"\x93PNCE\r\n\x1a"[..], &2u32.to_le_bytes(), &[0; 12]].concat();
    check(&old, "the format has version 2, this program knows version 3: train the model again");
}

/// `PINNACE_FUZZ_ROUNDS` asks for more damaged files than an ordinary run has time for.
pub(crate) fn rounds(default: usize) -> usize {
    std::env::var("PINNACE_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

/// Opens and asks; whether it opened.
fn survives(bytes: &[u8]) -> bool {
    let Ok(parts) = parts(Path::new("damaged"), bytes) else { return false };
    let input = match parts.takes() {
        Takes::Text | Takes::Anything => Input::from("кот и rain and soup за́мок"),
        Takes::Numbers(width) | Takes::Cells(width) if width < 1000 => Input::Row(vec![1.5; width]),
        Takes::Numbers(_) | Takes::Cells(_) => return true,
    };
    // refusing the input is as good as answering it
    let _ = Model::new("damaged", parts).predict(&input);
    true
}

/// One to four changes: a byte, a bit, a cut, a piece copied elsewhere, a large number.
pub(crate) fn damage(sound: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..random.usize(1..5) {
        if bytes.len() < 16 {
            break;
        }
        let at = random.usize(0..bytes.len() - 9);
        match random.u8(0..6) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] ^= 1 << random.u8(0..8),
            2 => bytes.truncate(at + 1),
            3 => {
                let from = random.usize(0..bytes.len() - 8);
                let piece = bytes[from..from + 8].to_vec();
                bytes[at..at + 8].copy_from_slice(&piece);
            }
            4 => drop(bytes.drain(at..at + 4)),
            _ => bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]),
        }
    }
    bytes
}
