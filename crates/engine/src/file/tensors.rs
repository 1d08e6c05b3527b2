//! A safetensors file: `u64` length of the header, the header as JSON, the tensors' bytes.
//!
//! All numbers are little-endian. The header maps each tensor's name to its type, shape and place
//! among the bytes; places follow each other without a gap. `__metadata__` maps names to texts.
//!
//! Written by ourselves rather than by the `safetensors` crate: that orders the metadata at random,
//! and the same training must give the same file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest header read, in bytes: as the format's own library.
const LONGEST_HEADER: usize = 100_000_000;

/// The metadata that tells whether the file is whole.
const CHECKSUM: &str = "checksum";

/// The types of tensors, wide ones first. Models have four of them here; files of other programs
/// are told apart by more than a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Dtype {
    F64,
    I64,
    U64,
    F32,
    U32,
    I32,
    F16,
    Bf16,
    I16,
    U16,
    U8,
    I8,
    Bool,
    #[serde(rename = "F8_E5M2")]
    F8E5m2,
    #[serde(rename = "F8_E4M3")]
    F8E4m3,
}

impl Dtype {
    fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
            Dtype::F32 | Dtype::U32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::U8 | Dtype::I8 | Dtype::Bool | Dtype::F8E5m2 | Dtype::F8E4m3 => 1,
        }
    }
}

/// What the header tells of a tensor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, Info>,
}

/// Whether a file begins as a safetensors file does.
pub(crate) fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, [b'{', b'"', ..])) = bytes.split_first_chunk::<8>() else { return false };
    u64::from_le_bytes(*length) <= LONGEST_HEADER as u64
}

/// Gathers what a file will hold.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Writer {
    pub(super) fn f64s(&mut self, name: String, shape: &[usize], values: &[f64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.insert(name, (Dtype::F64, shape.to_vec(), bytes));
    }

    pub(super) fn f32s(&mut self, name: String, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.insert(name, (Dtype::F32, shape.to_vec(), bytes));
    }

    pub(super) fn u32s(&mut self, name: String, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.insert(name, (Dtype::U32, vec![values.len()], bytes));
    }

    pub(super) fn u8s(&mut self, name: String, values: Vec<u8>) {
        self.tensors.insert(name, (Dtype::U8, vec![values.len()], values));
    }

    /// The file. Wide numbers come first, so that all lie at multiples of their size.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        let tensors = self.tensors.iter().map(|(name, (.., bytes))| (name.as_str(), bytes.as_slice()));
        self.metadata.insert(CHECKSUM.to_owned(), checksum(&self.metadata, tensors));
        let mut ordered: Vec<_> = self.tensors.iter().collect();
        ordered.sort_by_key(|(_, (dtype, ..))| *dtype);
        let mut end = 0u64;
        let mut infos = BTreeMap::new();
        for (name, (dtype, shape, bytes)) in &ordered {
            let start = end;
            end += bytes.len() as u64;
            let shape = shape.iter().map(|length| *length as u64).collect();
            infos.insert((*name).clone(), Info { dtype: *dtype, shape, data_offsets: (start, end) });
        }
        let header = Header { metadata: self.metadata, tensors: infos };
        let mut header = serde_json::to_vec(&header).ok()?;
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() > LONGEST_HEADER {
            return None;
        }
        let mut file = Vec::with_capacity(8 + header.len() + usize::try_from(end).ok()?);
        file.extend((header.len() as u64).to_le_bytes());
        file.extend(header);
        ordered.iter().for_each(|(_, (.., bytes))| file.extend(bytes));
        Some(file)
    }
}

/// Why bytes are no safetensors file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TensorsError {
    #[error("the file has {given} bytes and should have {expected}: it was not copied whole")]
    Length { expected: u64, given: u64 },
    #[error("the header of {0} bytes is longer than any may be")]
    HeaderLength(u64),
    #[error("the header is no JSON of tensors: {0}")]
    Header(String),
    #[error("the tensor `{0}` does not have the place that its shape asks for")]
    Place(String),
}

/// What a file holds, its places checked.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Info, &'a [u8])>,
}

impl<'a> Content<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, TensorsError> {
        let given = file.len() as u64;
        let Some((length, rest)) = file.split_first_chunk::<8>() else {
            return Err(TensorsError::Length { expected: 8, given });
        };
        let length = u64::from_le_bytes(*length);
        let header_length = usize::try_from(length).ok().filter(|length| *length <= LONGEST_HEADER);
        let header_length = header_length.ok_or(TensorsError::HeaderLength(length))?;
        let Some((header, bytes)) = rest.split_at_checked(header_length) else {
            return Err(TensorsError::Length { expected: 8 + length, given });
        };
        let header: Header =
            serde_json::from_slice(header).map_err(|error| TensorsError::Header(error.to_string()))?;
        let mut infos: Vec<(String, Info)> = header.tensors.into_iter().collect();
        infos.sort_by_key(|(_, info)| info.data_offsets);
        let mut tensors = BTreeMap::new();
        let mut end = 0;
        for (name, info) in infos {
            let (start, stop) = info.data_offsets;
            if start != end || stop < start || length_of(&info) != Some(stop - start) {
                return Err(TensorsError::Place(name.chars().take(100).collect()));
            }
            end = stop;
            let place = usize::try_from(start).ok().zip(usize::try_from(stop).ok());
            let own = place.and_then(|(start, stop)| bytes.get(start..stop));
            let own = own.ok_or(TensorsError::Length { expected: 8 + length + stop, given })?;
            tensors.insert(name, (info, own));
        }
        if end != bytes.len() as u64 {
            return Err(TensorsError::Length { expected: 8 + length + end, given });
        }
        Ok(Content { metadata: header.metadata, tensors })
    }

    /// Whether nothing has changed since the file was written.
    pub(super) fn is_whole(&self) -> bool {
        self.metadata.get(CHECKSUM).is_some_and(|told| *told == self.checksum())
    }

    fn checksum(&self) -> String {
        checksum(&self.metadata, self.tensors.iter().map(|(name, (_, bytes))| (name.as_str(), *bytes)))
    }

    fn tensor(&self, name: &str, dtype: Dtype) -> Option<(&Info, &'a [u8])> {
        self.tensors.get(name).filter(|(info, _)| info.dtype == dtype).map(|(info, bytes)| (info, *bytes))
    }

    pub(super) fn f64s(&self, name: &str) -> Option<Vec<f64>> {
        let (_, bytes) = self.tensor(name, Dtype::F64)?;
        Some(bytes.as_chunks::<8>().0.iter().map(|item| f64::from_le_bytes(*item)).collect())
    }

    pub(super) fn f32s(&self, name: &str) -> Option<Vec<f32>> {
        let (_, bytes) = self.tensor(name, Dtype::F32)?;
        Some(bytes.as_chunks::<4>().0.iter().map(|item| f32::from_le_bytes(*item)).collect())
    }

    pub(super) fn u32s(&self, name: &str) -> Option<Vec<u32>> {
        let (_, bytes) = self.tensor(name, Dtype::U32)?;
        Some(bytes.as_chunks::<4>().0.iter().map(|item| u32::from_le_bytes(*item)).collect())
    }

    pub(super) fn u8s(&self, name: &str) -> Option<&'a [u8]> {
        Some(self.tensor(name, Dtype::U8)?.1)
    }

    /// The shape of a table, which has two dimensions.
    pub(super) fn table(&self, name: &str) -> Option<(usize, usize)> {
        match self.tensors.get(name)?.0.shape[..] {
            [rows, columns] => Some((usize::try_from(rows).ok()?, usize::try_from(columns).ok()?)),
            _ => None,
        }
    }
}

/// The bytes that a tensor of this type and shape takes.
fn length_of(info: &Info) -> Option<u64> {
    info.shape.iter().try_fold(info.dtype.size() as u64, |length, side| length.checked_mul(*side))
}

/// CRC-32 of all metadata but the checksum, then of all tensors: names and content, each after its
/// length, in the order of names. It stays when another program writes the same content anew.
fn checksum<'a>(
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let mut crc = flate2::Crc::new();
    let mut add = |bytes: &[u8]| {
        crc.update(&(bytes.len() as u64).to_le_bytes());
        crc.update(bytes);
    };
    for (name, value) in metadata.iter().filter(|(name, _)| *name != CHECKSUM) {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    for (name, bytes) in tensors {
        add(name.as_bytes());
        add(bytes);
    }
    format!("{:08x}", crc.sum())
}

#[cfg(test)]
pub(crate) mod tests;
