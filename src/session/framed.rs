//! An edit's picture brought to the model's size, and what follows from that.

use super::{CheckedJob, Job, Size, Source, Traits};
use crate::{
    diffusion::Window,
    error::Result,
    picture::{Framing, Picture},
};

/// For latents up to this many, a source's features may be kept from one prompt to the next; for larger ones they are
/// gigabytes.
const KEPT_LATENTS: usize = 32 * 32;

/// The source of an edit as the model takes it, and the job with the size it then has.
pub struct Framed {
    /// The picture; none where the source is generated.
    pub picture: Option<Picture>,
    /// The job, checked.
    pub job: CheckedJob,
    /// What was lost in the picture on the way, in sentences.
    pub warnings: Vec<String>,
}

impl Framed {
    /// Brings the picture that a job's edit begins with to the model's size, which is the job's or suits the picture.
    ///
    /// # Errors
    /// When the job is wrong, or the part of the picture that it names is not inside the picture.
    pub fn new(job: &Job, picture: Option<&Picture>, model: &Traits) -> Result<Self> {
        let source = job.edit.as_ref().map(|edit| &edit.source);
        let (Some(Source::Picture { crop, .. }), Some(picture)) = (source, picture) else {
            let job = job.check(model)?;
            return Ok(Self {
                picture: None,
                job,
                warnings: Vec::new(),
            });
        };
        // The choices of a preset show once the job is checked; the size is not among them.
        let quirks = job.check(model)?.quirks.edit;
        let framing = Framing {
            crop: *crop,
            fit: quirks.fit.unwrap_or_default(),
            resampling: quirks.resampling.unwrap_or_default(),
        };
        let side = model.size.width_px.min(model.size.height_px);
        let [width_px, height_px] = framing.suited(picture, side, model.reduction)?;
        let suited = Size {
            width_px,
            height_px,
        };
        let sized = Job {
            size: job.size.or(Some(suited)),
            ..job.clone()
        };
        let job = sized.check(model)?;
        let size = [job.size.width_px, job.size.height_px];
        Ok(Self {
            warnings: framing.losses(picture, size)?,
            picture: Some(framing.apply(picture, size)?),
            job,
        })
    }

    /// Whether a device has room for the source's features beside all else.
    pub fn may_keep(&self) -> bool {
        self.job.latent_size().iter().product::<usize>() <= KEPT_LATENTS
    }
}

impl Job {
    /// The job that makes the reconstruction of an edit's picture: an edit that takes nothing, under the source's own prompt.
    /// None where the source is generated, because it is what is reconstructed.
    #[must_use]
    pub fn of_reconstruction(&self) -> Option<Self> {
        let mut edit = self.edit.clone()?;
        if matches!(edit.source, Source::Generated { .. }) {
            return None;
        }
        let none = Some(Window::leading(0.0));
        (edit.feature_window, edit.attention_window) = (none, none);
        edit.cross_window = edit.cross_window.and(none);
        (edit.negative_alpha, edit.negative_schedule) = (None, None);
        Some(Self {
            prompt: edit.source.prompt().to_owned(),
            negative: String::new(),
            steps: edit.inversion_steps,
            cfg_scale: Some(1.0),
            edit: Some(edit),
            ..self.clone()
        })
    }
}
