//! Safetensors files made by hand, so that they can be wrong.

use std::rc::Rc;

use guidestar::weights::{Memory, WeightSource};

/// A file with this head, and this many bytes of numbers behind it.
pub fn with_json(json: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes.extend(data);
    bytes
}

/// A tensor: name, type, shape, bytes.
pub type Raw<'a> = (&'a str, &'a str, &'a [usize], Vec<u8>);

/// A file of tensors that lie end to end.
pub fn with_tensors(tensors: &[Raw<'_>]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend(bytes);
        let end = data.len();
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    with_json(&format!("{{{}}}", entries.join(",")), &data)
}

/// Numbers as the bytes of F32.
pub fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A file in memory, called `file`.
pub fn source(bytes: Vec<u8>) -> Rc<dyn WeightSource> {
    Rc::new(Memory::new("file", bytes))
}
