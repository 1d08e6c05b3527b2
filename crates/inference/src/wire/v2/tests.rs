use super::*;

#[test]
fn values_come_flat_nested_or_as_bytes() {
    let check = |body: &[u8], json: Option<usize>, values: Values| {
        let asked = read(body, json).unwrap();
        assert_eq!(asked.tensors[0].values, values, "{}", String::from_utf8_lossy(body));
    };
    let numbers = Values::Numbers(vec![1.0, 2.5, 3.0, 4.0]);
    let body = r#"{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2.5, 3, 4]}]}"#;
    check(body.as_bytes(), None, numbers.clone());
    check(body.replace("[1, 2.5, 3, 4]", "[[1, 2.5], [3, 4]]").as_bytes(), None, numbers);
    let body = r#"{"id": "7", "inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["ж"]}]}"#;
    check(body.as_bytes(), None, Values::Texts(vec!["ж".to_owned()]));
    let binary = |datatype: &str, bytes: &[u8]| {
        let size = bytes.len();
        let head = format!(
            r#"{{"inputs": [{{"name": "x", "shape": [1], "datatype": "{datatype}", "parameters": {{"binary_data_size": {size}}}}}]}}"#
        );
        (head.len(), [head.as_bytes(), bytes].concat())
    };
    let (length, body) = binary("FP32", &1.5f32.to_le_bytes());
    check(&body, Some(length), Values::Numbers(vec![1.5]));
    let (length, body) = binary("FP16", &0xc000u16.to_le_bytes());
    check(&body, Some(length), Values::Numbers(vec![-2.0]));
    let (length, body) = binary("INT8", &[0xff]);
    check(&body, Some(length), Values::Numbers(vec![-1.0]));
    let (length, body) = binary("BYTES", b"\x02\0\0\0hi");
    check(&body, Some(length), Values::Texts(vec!["hi".to_owned()]));
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let check = |input: &str, field: Option<&str>| {
        let body = format!(r#"{{"inputs": [{{"name": "x", "shape": [1], {input}}}]}}"#);
        let length = body.len();
        let refusal = read(body.as_bytes(), Some(length)).unwrap_err();
        assert_eq!(refusal.field.as_deref(), field, "{input}: {refusal}");
    };
    check(r#""datatype": "FP65", "data": [1]"#, Some("inputs[0].datatype"));
    check(r#""datatype": "FP64", "data": ["a"]"#, Some("inputs[0].data[0]"));
    check(r#""datatype": "FP64", "data": 1"#, Some("inputs[0].data"));
    check(r#""datatype": "FP64""#, Some("inputs[0].data"));
    check(r#""datatype": "BYTES", "data": ["a", 1]"#, Some("inputs[0].data[1]"));
    check(
        r#""datatype": "FP64", "parameters": {"binary_data_size": 8}"#,
        Some("inputs[0].parameters.binary_data_size"),
    );
    check(
        r#""datatype": "FP64", "parameters": {"binary_data_size": -1}"#,
        Some("inputs[0].parameters.binary_data_size"),
    );
    check(r#""data": [1]"#, None);
    let nested = format!(r#""datatype": "FP64", "data": {}"#, "[".repeat(100) + &"]".repeat(100));
    check(&nested, Some("inputs[0].data"));
    assert!(read(b"{}", Some(3)).is_err());
    assert!(read(b"{\"inputs\": []}xx", Some(14)).is_err());
}

#[test]
fn texts_that_lie_about_their_length_are_refused() {
    for bytes in [&b"\x02\0\0\0h"[..], b"\xff\xff\xff\xff", b"\x01\0", b"\x01\0\0\0\xff"] {
        assert!(of_bytes(bytes, Datatype::Bytes).is_err());
    }
    assert!(of_bytes(&[1, 2, 3], Datatype::Fp32).is_err());
}
