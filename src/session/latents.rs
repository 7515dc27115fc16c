//! Latents in files: a tensor `latents`, `[B, 4, h, w]`.

use std::rc::Rc;

use super::{CheckedJob, Size};
use crate::{
    error::{Error, Result},
    weights::{WeightSource, header::Header, tensors::Tensors},
};

/// The tensor's name.
pub const NAME: &str = "latents";
const CHANNELS: usize = 4;
/// More than this is no file of latents: a picture of 16384 pixels a side has so many for each channel.
const LIMIT_ELEMENTS: usize = 1 << 28;

/// Latents from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Latents {
    /// Height and width.
    pub size: [usize; 2],
    /// `[4, h, w]` for each picture.
    pub rows: Vec<Vec<f32>>,
}

impl Latents {
    /// Refuses those that do not fit a job: one set for all its pictures, or one for each.
    pub(super) fn check(&self, job: &CheckedJob) -> Result<()> {
        let count = job.job().count;
        if self.rows.len() != 1 && self.rows.len() != count {
            return Err(Error::Request(format!(
                "the latents are for {} pictures and the job makes {count}: give one, or as many",
                self.rows.len()
            )));
        }
        if self.size != job.latent_size() {
            let ([h, w], [needed_h, needed_w]) = (self.size, job.latent_size());
            return Err(Error::Request(format!(
                "the latents are {w}x{h}, and a picture of {} has {needed_w}x{needed_h}",
                job.size
            )));
        }
        Ok(())
    }

    /// Reads a safetensors file.
    ///
    /// # Errors
    /// When it is none, has no tensor of that name, or one of another shape.
    pub async fn read(source: Rc<dyn WeightSource>) -> Result<Self> {
        let place = source.place().to_owned();
        let wrong = |problem: String| Error::Weights {
            place: place.clone(),
            problem,
        };
        let header = Header::read(&*source).await?;
        let mut tensors = Tensors::default();
        tensors.add(source, &header, |name| {
            (name == NAME).then(|| name.to_owned())
        })?;
        let [stored] = tensors.stored() else {
            return Err(wrong(format!("it has no tensor {NAME:?}")));
        };
        let shape = &stored.entry.shape;
        let &[count, CHANNELS, h, w] = &shape[..] else {
            return Err(wrong(format!(
                "its {NAME} are {shape:?}, and latents are [pictures, {CHANNELS}, height / 8, width / 8]"
            )));
        };
        if stored.entry.elements() > LIMIT_ELEMENTS || count * h * w == 0 {
            return Err(wrong(format!(
                "its {NAME} are {shape:?}, which is no size for latents"
            )));
        }
        let mut elements = Vec::with_capacity(stored.entry.elements());
        let mut reader = tensors.reader();
        let mut take = |piece: &[f32]| {
            elements.extend_from_slice(piece);
            Ok(())
        };
        reader.read(stored, &mut take).await?;
        let rows = elements.chunks_exact(CHANNELS * h * w);
        Ok(Self {
            size: [h, w],
            rows: rows.map(<[f32]>::to_vec).collect(),
        })
    }

    /// The size of the pictures they are for.
    pub fn picture_size(&self, reduction: usize) -> Size {
        Size {
            width_px: self.size[1] * reduction,
            height_px: self.size[0] * reduction,
        }
    }
}
