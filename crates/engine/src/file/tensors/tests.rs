use super::*;

/// The same file with the checksum that its content asks for; `None` if it is no sound container.
pub(crate) fn resealed(file: &[u8]) -> Option<Vec<u8>> {
    let content = Content::read(file).ok()?;
    let told = content.metadata.get(CHECKSUM)?;
    let at = file.windows(told.len()).position(|window| window == told.as_bytes())?;
    let mut sealed = file.to_vec();
    sealed[at..at + 8].copy_from_slice(content.checksum().as_bytes());
    Some(sealed)
}

fn sample() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.metadata.insert("format".to_owned(), "pinnace".to_owned());
    writer.u8s("a".to_owned(), vec![1, 2, 3]);
    writer.f64s("b".to_owned(), &[2, 1], &[0.5, -0.0]);
    writer.u32s("empty".to_owned(), &[]);
    writer.finish().unwrap()
}

fn of_header(header: &str, bytes: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

#[test]
fn what_was_written_is_read() {
    let file = sample();
    assert!(is_safetensors(&file));
    let header_length = u64::from_le_bytes(*file.first_chunk().unwrap());
    assert_eq!(header_length % 8, 0, "tensors lie at multiples of eight");
    let content = Content::read(&file).unwrap();
    assert!(content.is_whole());
    assert_eq!(content.u8s("a"), Some(&[1u8, 2, 3][..]));
    assert_eq!(
        content.f64s("b").unwrap().iter().map(|n| n.to_bits()).collect::<Vec<_>>(),
        [0.5f64.to_bits(), (-0.0f64).to_bits()]
    );
    assert_eq!(content.table("b"), Some((2, 1)));
    assert_eq!(content.u32s("empty"), Some(Vec::new()));
    assert_eq!(content.f32s("b"), None, "of another type");
    assert_eq!(sample(), file, "the same content gives the same file");
}

#[test]
fn a_file_written_anew_in_another_order_is_still_whole() {
    let content = sample();
    let content = Content::read(&content).unwrap();
    let told = &content.metadata[CHECKSUM];
    let header = format!(
        r#"{{"empty":{{"dtype":"U32","shape":[0],"data_offsets":[0,0]}},"a":{{"dtype":"U8","shape":[3],"data_offsets":[0,3]}},"__metadata__":{{"checksum":"{told}","format":"pinnace"}},"b":{{"dtype":"F64","shape":[2,1],"data_offsets":[3,19]}}}}"#
    );
    let mut bytes = vec![1, 2, 3];
    bytes.extend([0.5f64, -0.0].iter().flat_map(|number| number.to_le_bytes()));
    assert!(Content::read(&of_header(&header, &bytes)).unwrap().is_whole());
    bytes[0] = 9;
    assert!(!Content::read(&of_header(&header, &bytes)).unwrap().is_whole());
}

#[test]
fn hostile_headers_are_refused_at_little_cost() {
    let check = |file: &[u8], expected: &str| {
        let said = Content::read(file).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    };
    let tensor = |shape: &str, from: u64, to: u64| {
        of_header(
            &format!(r#"{{"a":{{"dtype":"U8","shape":{shape},"data_offsets":[{from},{to}]}}}}"#),
            &[0; 4],
        )
    };
    check(b"\0\0", "should have 8");
    check(&u64::MAX.to_le_bytes(), "longer than any may be");
    check(&[&99_999_999u64.to_le_bytes()[..], b"{}"].concat(), "was not copied whole");
    check(&of_header("[1]", b""), "no JSON of tensors");
    check(&of_header(&"[".repeat(100_000), b""), "no JSON of tensors");
    check(&of_header(r#"{"a":{"dtype":"F8","shape":[],"data_offsets":[0,1]}}"#, b"x"), "no JSON of tensors");
    check(&tensor("[4]", 0, 3), "the tensor `a` does not have the place");
    check(&tensor("[4]", 1, 5), "the tensor `a` does not have the place");
    check(&tensor("[4]", 4, 0), "the tensor `a` does not have the place");
    check(&tensor("[9223372036854775807,4]", 0, 4), "the tensor `a` does not have the place");
    check(&tensor("[4000000000]", 0, 4_000_000_000), "should have 40000000");
    check(&tensor("[2]", 0, 2), "was not copied whole");
}
