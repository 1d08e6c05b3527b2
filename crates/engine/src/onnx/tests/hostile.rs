//! Files that are damaged, or made to do harm: a clear error, bounded memory and time, no panic.

use super::super::OnnxError;
use super::cases;
use crate::model::open::tests::{damage, rounds};
use crate::model::{Cell, Input, InputKind, Model};

fn open(bytes: &[u8]) -> Result<crate::model::Parts, OnnxError> {
    super::super::open(bytes, None)
}

/// A seeded walk through damaged files: whatever the bytes, an answer or an error.
#[test]
fn damaged_files_are_refused_without_panic() {
    let rounds = rounds(2);
    let mut random = fastrand::Rng::with_seed(9);
    let (mut opened, mut refused) = (0, 0);
    for case in cases("models").iter().chain(&cases("operators")) {
        for _ in 0..rounds {
            let Ok(parts) = open(&damage(&case.model, &mut random)) else {
                refused += 1;
                continue;
            };
            opened += 1;
            let model = Model::new("damaged", parts);
            let input = match model.input() {
                InputKind::Text => Input::from("rain and снег"),
                InputKind::Numbers { count, .. } if count < 1000 => Input::Row(vec![1.5; count]),
                InputKind::Cells { count, .. } if count < 1000 => Input::Cells(vec![Cell::Missing; count]),
                InputKind::Numbers { .. } | InputKind::Cells { .. } => continue,
            };
            // refusing the input is as good as answering it
            let _ = model.predict(&input).is_ok();
        }
    }
    println!("{opened} of the damaged files opened, {refused} were refused");
}

/// Writes protobuf: a field of bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend(content);
    out
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name.as_bytes())).collect();
    node.extend(outputs.iter().flat_map(|name| bytes(2, name.as_bytes())));
    node.extend(bytes(3, b"odd"));
    node.extend(bytes(4, operator.as_bytes()));
    node.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    bytes(1, &node)
}

/// An input or output of type float, of rows of two.
fn port(field: u8, name: &str) -> Vec<u8> {
    let dimension = [bytes(1, &bytes(2, b"N")), bytes(1, &[8, 2])].concat();
    let tensor = [vec![8, 1], bytes(2, &dimension)].concat();
    bytes(field, &[bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat())
}

fn model(nodes: &[Vec<u8>]) -> Vec<u8> {
    let graph = [nodes.concat(), bytes(2, b"g"), port(11, "x"), port(12, "y")].concat();
    [vec![8, 8], bytes(7, &graph), bytes(8, &[16, 18])].concat()
}

#[test]
fn what_cannot_be_run_is_said_with_its_place() {
    let check = |nodes: &[Vec<u8>], expected: &str| {
        let said = open(&model(nodes)).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    };
    open(&model(&[node("Relu", &["x"], &["y"], &[])])).unwrap();
    check(
        &[node("Relu", &["x"], &["a"], &[]), node("Frobnicate", &["a"], &["y"], &[])],
        "node `odd` (Frobnicate, 2 of 2 in the graph `g`) is of the operator `Frobnicate` (version 18), which is not supported",
    );
    check(
        &[
            node("Relu", &["a"], &["b"], &[]),
            node("Relu", &["b"], &["a"], &[]),
            node("Relu", &["a"], &["y"], &[]),
        ],
        "is part of a cycle",
    );
    check(&[node("Relu", &["nowhere"], &["y"], &[])], "takes `nowhere`, which nothing gives");
    check(
        &[node("Relu", &["x"], &["y"], &[]), node("Relu", &["x"], &["y"], &[])],
        "the name `y` is given to two values",
    );
    let odd = [bytes(1, b"odd"), vec![24, 1], vec![0xa0, 1, 2]].concat();
    check(&[node("Relu", &["x"], &["y"], &[odd])], "has the attribute `odd`, which the engine does not know");
    check(&[node("Not", &["x"], &["y"], &[])], "has an input of type float");
}

#[test]
fn what_grows_without_end_is_stopped() {
    // a tensor of 2^62 elements, declared in twenty bytes
    let huge = [
        bytes(1, b"value"),
        bytes(5, &[vec![8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f], vec![16, 1]].concat()),
        vec![0xa0, 1, 4],
    ]
    .concat();
    let said = open(&model(&[node("Constant", &[], &["c"], &[huge]), node("Add", &["x", "c"], &["y"], &[])]))
        .unwrap_err()
        .to_string();
    assert!(said.contains("too large"), "{said}");
    // doubling, sixty times
    let names: Vec<String> = (0..=60)
        .map(|step| {
            if step == 0 {
                "x".to_owned()
            } else if step == 60 {
                "y".to_owned()
            } else {
                format!("v{step}")
            }
        })
        .collect();
    let at = [bytes(1, b"axis"), vec![24, 1], vec![0xa0, 1, 2]].concat();
    let nodes: Vec<Vec<u8>> = names
        .windows(2)
        .map(|pair| node("Concat", &[&pair[0], &pair[0]], &[&pair[1]], std::slice::from_ref(&at)))
        .collect();
    let said = open(&model(&nodes)).unwrap_err().to_string();
    assert!(said.contains("too large") || said.contains("memory"), "{said}");
    // messages inside messages
    let deep = (0..10_000).fold(Vec::new(), |inner, _| bytes(7, &inner));
    assert!(open(&[vec![8, 8], deep].concat()).is_err());
}

#[test]
fn a_loop_without_end_is_ended() {
    let kind = |number: u8, name: &str| bytes(number, &bytes(1, name.as_bytes()));
    let body = [
        node("Identity", &["c"], &["c2"], &[]),
        bytes(2, b"body"),
        kind(11, "i"),
        kind(11, "c"),
        kind(12, "c2"),
    ];
    let graph = [bytes(1, b"body"), bytes(6, &body.concat()), vec![0xa0, 1, 5]].concat();
    let said = open(&model(&[node("Loop", &["", ""], &[], &[graph]), node("Relu", &["x"], &["y"], &[])]))
        .unwrap_err()
        .to_string();
    assert!(said.contains("more work"), "{said}");
}
