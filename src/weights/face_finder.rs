//! MTCNN's weights, in the three files that facenet-pytorch has of it or in one with all.

use std::rc::Rc;

use super::{
    header::Header, published::build, source::WeightSource, tensors::Tensors,
    torch_file::any_header,
};
use crate::{
    error::{Error, Result},
    models::published::MtcnnStages,
    tensor::Device,
};

/// The networks, by their names in a file with all, each with a tensor that it alone has.
const STAGES: [(&str, &str); 3] = [
    ("pnet.", "conv4_1.weight"),
    ("rnet.", "dense5_1.weight"),
    ("onet.", "dense6_1.weight"),
];

/// Reads MTCNN's three networks from safetensors files or PyTorch's, in any order.
///
/// # Errors
/// When a network is missing or none of the three, a file is not whole, or the device has no room.
pub async fn read(sources: &[Rc<dyn WeightSource>], device: &Device) -> Result<MtcnnStages> {
    let mut tensors = Tensors::default();
    let mut read = [false; 3];
    for source in sources {
        let header = any_header(&**source).await?;
        let before = before(&header).ok_or_else(|| Error::Weights {
            place: source.place().to_owned(),
            problem: "it is none of MTCNN's networks: facenet-pytorch's pnet.pt, rnet.pt and onet.pt are read, or one file with all three"
                .to_owned(),
        })?;
        let named = |name: &str| {
            (!name.ends_with("num_batches_tracked")).then(|| format!("{before}{name}"))
        };
        tensors.add(Rc::clone(source), &header, named)?;
        for (at, (stage, _)) in STAGES.iter().enumerate() {
            let names = header
                .entries
                .iter()
                .map(|entry| format!("{before}{}", entry.name));
            read[at] |= names.into_iter().any(|name| name.starts_with(stage));
        }
    }
    let missing = STAGES.iter().zip(read).find(|(_, read)| !read);
    if let Some(((stage, _), _)) = missing {
        let stage = stage.trim_end_matches('.');
        return Err(Error::Request(format!(
            "MTCNN is three networks and {stage} is missing: name a folder with pnet.pt, rnet.pt and onet.pt"
        )));
    }
    build(&tensors, device, MtcnnStages::new).await
}

/// What belongs before the names in a file: nothing where all three are in it.
fn before(header: &Header) -> Option<&'static str> {
    let has = |name: &str| header.find(name).is_some();
    if STAGES
        .iter()
        .any(|(stage, own)| has(&format!("{stage}{own}")))
    {
        return Some("");
    }
    let found = STAGES.iter().find(|(_, own)| has(own));
    found.map(|(stage, _)| *stage)
}
