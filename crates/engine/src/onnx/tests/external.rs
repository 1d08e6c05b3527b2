//! Moves the constants of a file into another, as exporters do.

/// A field of protobuf: its number, its kind, its bytes, its content.
fn fields(bytes: &[u8]) -> Vec<(u64, u64, &[u8], &[u8])> {
    let varint = |at: &mut usize| {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    };
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let start = at;
        let key = varint(&mut at);
        let content = match key & 7 {
            0 => {
                let from = at;
                varint(&mut at);
                from
            }
            2 => {
                let length = usize::try_from(varint(&mut at)).unwrap();
                at += length;
                at - length
            }
            kind => {
                at += if kind == 1 { 8 } else { 4 };
                at
            }
        };
        all.push((key >> 3, key & 7, &bytes[start..at], &bytes[content..at]));
    }
    all
}

fn message(number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut value in [number << 3 | 2, content.len() as u64] {
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
    }
    bytes.extend(content);
    bytes
}

/// The file with its raw constants told to lie in another, and what that one holds.
pub(super) fn split(model: &[u8], location: &str) -> (Vec<u8>, Vec<u8>) {
    let mut outside = vec![7; 64];
    let entry = |key: &str, value: &str| {
        message(13, &[message(1, key.as_bytes()), message(2, value.as_bytes())].concat())
    };
    let mut constant = |tensor: &[u8]| -> Vec<u8> {
        let mut made = Vec::new();
        for (number, _, whole, content) in fields(tensor) {
            if number != 9 {
                made.extend(whole);
                continue;
            }
            made.extend(entry("location", location));
            made.extend(entry("offset", &outside.len().to_string()));
            made.extend(entry("length", &content.len().to_string()));
            made.extend([14 << 3, 1]);
            outside.extend(content);
        }
        made
    };
    let mut made = Vec::new();
    for (number, _, whole, content) in fields(model) {
        if number != 7 {
            made.extend(whole);
            continue;
        }
        let graph = fields(content).into_iter().flat_map(|(number, _, whole, content)| match number {
            5 => message(5, &constant(content)),
            _ => whole.to_vec(),
        });
        made.extend(message(7, &graph.collect::<Vec<u8>>()));
    }
    (made, outside)
}
