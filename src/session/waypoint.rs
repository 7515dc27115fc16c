//! How far a run has come, in the host's memory: what is left of it when a device is lost.

use std::collections::VecDeque;

use crate::{
    diffusion::{Level, Sampler},
    tensor::Tensor,
};

/// Steps that are kept. No sampler looks further back than PNDM, at four predictions; the one before gives the latents that the
/// oldest of them began with.
const KEPT: usize = 5;

/// A place in a run from which another run of the same job, on another device, can go on.
#[derive(Clone, Debug, Default)]
pub struct Waypoint {
    picture: usize,
    step: usize,
    /// Whether something of this picture cannot be carried over, so that it must begin anew.
    begins_anew: bool,
    /// The last steps, the newest last.
    kept: VecDeque<Kept>,
}

/// A step that was taken.
#[derive(Clone, Debug)]
struct Kept {
    /// The latents it ended at.
    x: Vec<f32>,
    /// The noise it was told.
    eps: Vec<f32>,
}

impl Waypoint {
    /// The beginning of a picture, counted from 0.
    pub(super) fn at_picture(picture: usize) -> Self {
        Self {
            picture,
            ..Self::default()
        }
    }

    /// Pictures that were finished before it.
    pub fn picture(&self) -> usize {
        self.picture
    }

    /// Steps of the picture under way that were done before it.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Takes note of a step: each element of its latents, with the noise that led to them.
    pub(super) fn walked(&mut self, x: Vec<f32>, eps: Vec<f32>) {
        if self.begins_anew {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { x, eps });
        self.step += 1;
    }

    /// Goes back to where the picture begins, and stays there: what its steps need is on the device alone.
    pub(super) fn forget_steps(&mut self) {
        *self = Self::at_picture(self.picture);
        self.begins_anew = true;
    }

    /// Tells a new sampler all that it would know by now, and gives the latents that the next step begins with. Nothing is
    /// computed: what it answers with is known already.
    ///
    /// # Shapes
    /// - `start` and what is returned: `[1, h, w, 4]`, the picture's first latents and those of now
    pub(super) fn replay(
        &self,
        sampler: &mut dyn Sampler,
        start: &Tensor,
        walk: &[(Level, Level)],
    ) -> Tensor {
        let tensor = |elements: &[f32]| {
            let device = start.device();
            device.tensor(start.shape().clone(), elements.to_vec())
        };
        let forgotten = self.step - self.kept.len();
        let mut x = start.clone();
        for (at, &(from, to)) in walk[..self.step].iter().enumerate() {
            // What was forgotten is older than any sampler remembers; another step's stands in, so that steps are counted and
            // fresh noise is drawn as before.
            let kept = &self.kept[at.saturating_sub(forgotten)];
            sampler.step(&x, &tensor(&kept.eps), from, to);
            x = tensor(&kept.x);
        }
        x
    }
}
